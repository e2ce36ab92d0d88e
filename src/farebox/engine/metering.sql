-- What subscribers have used and under which policy.

-- name: meters
-- Policy in force, written figures, present cycle and what the network holds, of subscribers.
select s.id, s.status, s.expires_at_ms, coalesce(s.time_zone, a.time_zone) as time_zone,
       a.alert_thresholds, p.billing_reset_type,
       case when $3 = 'bandwidth' then coalesce(o.policy, p.policy) else o.policy end as policy,
       case when o.policy is not null then o.effective_from_ms
            else greatest(s.group_since_ms, p.updated_at_ms) end as since_ms,
       case when o.policy is not null then 'override' else 'profile' end as source,
       q.window_start_ms, q.window_end_ms, q.upload, q.download, q.topup, q.carried,
       q.policy as written_policy, q.version,
       c.start_ms as cycle_start_ms, c.end_ms as cycle_end_ms, c.reset_type as cycle_type,
       c.anchor_ms as cycle_anchor_ms, c.upload as cycle_upload, c.download as cycle_download,
       coalesce(n.sessions, 0) > 0 as is_online,
       case when n.least = n.most then n.most else 0 end as applied
  from isp.subscriber s
  join isp.account a on a.id = s.account
  join isp.user_group g on g.id = s.user_group
  join isp.profile p on p.id = g.profile
  left join isp.quota_override o on o.subscriber = s.id and o.kind = $3
  left join isp.quota_state q on q.subscriber = s.id and q.kind = $3
  left join lateral (
    select * from isp.cycle where subscriber = s.id and start_ms <= $2
     order by start_ms desc limit 1) c on true
  left join lateral (
    select count(*) as sessions,
           min(case $3 when 'bandwidth' then applied_template else applied_attributes end) as least,
           max(case $3 when 'bandwidth' then applied_template else applied_attributes end) as most
      from isp.session
     where subscriber = s.id and stopped_at_ms is null
       and updated_at_ms >= $2::bigint - $4::bigint) n on true
 where s.id = any($1::bigint[])

-- name: sums
-- What subscribers used since a day of each, less what a clear has forgotten.
select asked.subscriber,
       coalesce(sum(greatest(d.upload - case when d.day = f.day then f.upload else 0 end, 0)), 0)
         ::bigint as upload,
       coalesce(sum(greatest(
         d.download - case when d.day = f.day then f.download else 0 end, 0)), 0)
         ::bigint as download
  from unnest($1::bigint[], $2::date[]) as asked(subscriber, since)
  left join isp.usage_floor f on f.subscriber = asked.subscriber
  left join isp.usage_day d
    on d.subscriber = asked.subscriber and d.day >= greatest(asked.since, f.day)
 group by asked.subscriber

-- name: templates
-- Bandwidth templates.
select * from isp.bandwidth_template where id = any($1::bigint[])

-- name: write
-- The figures of a window.
insert into isp.quota_state as q
  (subscriber, kind, window_start_ms, window_end_ms, upload, download, topup, carried, policy,
   effective_from_ms, previous)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (subscriber, kind) do update set
  window_start_ms = excluded.window_start_ms, window_end_ms = excluded.window_end_ms,
  upload = excluded.upload, download = excluded.download, topup = excluded.topup,
  carried = excluded.carried, policy = excluded.policy,
  effective_from_ms = excluded.effective_from_ms,
  previous = case when excluded.previous is not null then excluded.previous
                  when q.window_start_ms = excluded.window_start_ms then q.previous end,
  alerted = case when q.window_start_ms = excluded.window_start_ms then q.alerted else 0 end,
  version = q.version + 1

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
