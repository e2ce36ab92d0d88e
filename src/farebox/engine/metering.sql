-- What subscribers have used and under which policy.

-- name: meters
-- Terms in force, written figures, present cycle and what the network holds, of subscribers.
select r.*, c.start_ms as cycle_start_ms, c.end_ms as cycle_end_ms, c.reset_type as cycle_type,
       c.anchor_ms as cycle_anchor_ms, c.upload as cycle_upload, c.download as cycle_download,
       coalesce(n.sessions, 0) > 0 as is_online,
       case when n.least = n.most then n.most else 0 end as applied
  from isp.quota_row r
  left join lateral (
    select * from isp.cycle where subscriber = r.subscriber and start_ms <= $2
     order by start_ms desc limit 1) c on true
  left join lateral (
    select count(*) as sessions,
           min(case $3 when 'bandwidth' then applied_template else applied_attributes end) as least,
           max(case $3 when 'bandwidth' then applied_template else applied_attributes end) as most
      from isp.session
     where subscriber = r.subscriber and stopped_at_ms is null
       and updated_at_ms >= $2::bigint - 1000 * r.session_silence_s) n on true
 where r.subscriber = any($1::bigint[]) and r.kind = $3

-- name: turns
-- What has changed for subscribers ($1) since their figures of a kind ($2) were settled, up to an
-- instant ($3), in order.
select r.subscriber, t.at_ms, isp.policy_at(r.user_group, t.at_ms) as policy,
       isp.zone_at(r.account, t.at_ms) as zone
  from isp.quota_row r
  cross join lateral isp.turns(r.user_group, r.account, r.settled_at_ms) as t(at_ms)
 where r.subscriber = any($1::bigint[]) and r.kind = $2 and t.at_ms <= $3
 order by t.at_ms

-- name: sums
-- What subscribers used since days, less what a clear has forgotten.
select asked.subscriber, asked.since,
       coalesce(sum(greatest(d.upload - case when d.day = f.day then f.upload else 0 end, 0)), 0)
         ::bigint as upload,
       coalesce(sum(greatest(
         d.download - case when d.day = f.day then f.download else 0 end, 0)), 0)
         ::bigint as download
  from unnest($1::bigint[], $2::date[]) as asked(subscriber, since)
  left join isp.usage_floor f on f.subscriber = asked.subscriber
  left join isp.usage_day d
    on d.subscriber = asked.subscriber and d.day >= greatest(asked.since, f.day)
 group by asked.subscriber, asked.since

-- name: templates
-- Bandwidth templates.
select * from isp.bandwidth_template where id = any($1::bigint[])

-- name: write
-- Windows of a kind ($1) as they are at an instant ($2).
insert into isp.quota_state as q
  (subscriber, kind, window_start_ms, window_end_ms, upload, download, topup, carried, policy,
   effective_from_ms, previous, time_zone, settled_at_ms)
select n.subscriber, $1, n.start_ms, n.end_ms, n.upload, n.download, n.topup, n.carried, n.policy,
       n.since_ms, n.previous, n.time_zone, $2
  from unnest(
    $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::jsonb[], $11::bigint[], $12::jsonb[], $13::text[])
    as n(subscriber, start_ms, end_ms, upload, download, topup, carried, policy, since_ms,
         previous, time_zone)
on conflict (subscriber, kind) do update set
  window_start_ms = excluded.window_start_ms, window_end_ms = excluded.window_end_ms,
  upload = excluded.upload, download = excluded.download, topup = excluded.topup,
  carried = excluded.carried, policy = excluded.policy,
  effective_from_ms = excluded.effective_from_ms, previous = excluded.previous,
  time_zone = excluded.time_zone,
  settled_at_ms = greatest(q.settled_at_ms, excluded.settled_at_ms),
  alerted = case when q.window_start_ms = excluded.window_start_ms then q.alerted else 0 end,
  version = q.version + 1

-- name: begin_cycles
-- Cycles that follow from the clock.
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
on conflict do nothing

-- name: clear_states
-- Nothing was used in the present windows.
update isp.quota_state set
  upload = 0, download = 0, topup = 0, carried = 0, alerted = 0, version = version + 1
where subscriber = $1

-- name: clear_cycle
-- Nothing was used in the present cycle.
update isp.cycle set upload = 0, download = 0
 where subscriber = $1
   and start_ms = (select max(start_ms) from isp.cycle where subscriber = $1 and start_ms <= $2)

-- name: lay_floor
-- Later sums begin today, without what today has brought so far.
insert into isp.usage_floor (subscriber, at_ms, day, upload, download)
select $1, $2, $3, coalesce(sum(d.upload), 0), coalesce(sum(d.download), 0)
  from isp.usage_day d where d.subscriber = $1 and d.day = $3
on conflict (subscriber) do update set
  at_ms = excluded.at_ms, day = excluded.day, upload = excluded.upload,
  download = excluded.download
