-- Subscribers move between groups.

-- name: group
-- A group of an account, and whether its profile is out of use.
select g.id, p.deactivated from isp.user_group g join isp.profile p on p.id = g.profile
 where g.id = $1 and g.account = $2

-- name: enter
-- He is in the group from now on; the group's kind of billing.
update isp.subscriber s set user_group = $2, group_since_ms = $3, updated_at_ms = $3
  from isp.user_group g join isp.profile p on p.id = g.profile
 where s.id = $1 and g.id = $2
returning p.billing_reset_type

-- name: clear_policies
-- What held for him alone.
delete from isp.quota_override where subscriber = $1

-- name: end_cycle
-- The present cycle ends, if it began before.
update isp.cycle set end_ms = $2
 where subscriber = $1 and start_ms < $2 and (end_ms is null or end_ms > $2)

-- name: begin_cycle
-- A cycle, in place of one that began at the same instant.
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms)
values ($1, $2, $3, $4, $2)
on conflict (subscriber, start_ms) do update set
  end_ms = excluded.end_ms, reset_type = excluded.reset_type, anchor_ms = excluded.anchor_ms

-- name: is_scheduled
-- Whether just this move is noted down.
select exists (
  select from isp.scheduled_move
   where subscriber = $1 and status = 'scheduled' and user_group = $2 and due_at_ms = $3
     and clears_usage = $4 and clears_policies = $5 and moves_billing = $6)

-- name: schedule
-- A move to come.
insert into isp.scheduled_move
  (subscriber, user_group, due_at_ms, clears_usage, clears_policies, moves_billing)
values ($1, $2, $3, $4, $5, $6)

-- name: cancel
-- The move to come will not.
update isp.scheduled_move set status = 'cancelled'
 where subscriber = $1 and status = 'scheduled'

-- name: cancel_one
-- A move that cannot be.
update isp.scheduled_move set status = 'cancelled' where id = $1

-- name: due
-- Moves whose instant has come.
select m.id, m.subscriber, s.account
  from isp.scheduled_move m join isp.subscriber s on s.id = m.subscriber
 where m.status = 'scheduled' and m.due_at_ms <= $1
 order by m.due_at_ms, m.id limit $2

-- name: take
-- A move that nobody has applied meanwhile; it is done with this transaction.
update isp.scheduled_move set status = 'done' where id = $1 and status = 'scheduled'
returning user_group, due_at_ms, clears_usage, clears_policies, moves_billing
