-- What holds for one subscriber alone.

-- name: known
-- Which of some templates are the account's or of one above it; these do not go away meanwhile.
select id from isp.bandwidth_template
 where id = any($2::bigint[]) and account in (select isp.ancestry($1))
 order by id for key share

-- name: holds
-- Whether just this holds already.
select exists (
  select from isp.quota_override
   where subscriber = $1 and kind = $2 and policy = $3 and attributes = $4)

-- name: set
-- It holds now, in place of another.
insert into isp.quota_override (subscriber, kind, policy, attributes, effective_from_ms, set_by)
values ($1, $2, $3, $4, $5, $6)
on conflict (subscriber, kind) do update set
  policy = excluded.policy, attributes = excluded.attributes,
  effective_from_ms = excluded.effective_from_ms, set_by = excluded.set_by

-- name: remove
-- It no longer holds.
delete from isp.quota_override where subscriber = $1 and kind = $2 returning true

-- name: touch
-- He was changed.
update isp.subscriber set updated_at_ms = $2 where id = $1

-- name: forget_applied
-- Nobody knows what his sessions hold.
update isp.session set applied_attributes = 0 where subscriber = $1 and stopped_at_ms is null
