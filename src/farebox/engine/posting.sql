-- Bytes of events, added to days, cycles and windows; and what follows from them.

-- name: add_in_place
-- What subscribers ($1) used in all ($4, $5) between their first ($2) and last ($3) events, added
-- to day, cycle and window as they are written down: where these hold the events and the present
-- ($6) too, no clear lies between, and there is no second window. Days of zones are $8 to $11.
-- Figures as they are then, as columns; a session counts as open for so long after it was heard of
-- ($7). Bits of standing: 4 active, 8 online.
with used as materialized (
  select * from unnest(
      $1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[],
      $5::text::bigint[]) as n(subscriber, first_ms, last_ms, added_up, added_down)
), found as materialized (
  select n.*, r.status, r.expires_at_ms, r.window_start_ms, r.window_end_ms, r.upload, r.download,
         r.topup, r.carried, r.policy_hash, c.start_ms as cycle_start_ms, d.day
    from used n
    join isp.bandwidth_row r on r.subscriber = n.subscriber
    join unnest($8::text[], $9::bigint[], $10::bigint[], $11::date[])
      as d(zone, start_ms, end_ms, day)
      on d.zone = r.zone and d.start_ms <= n.first_ms and n.last_ms < d.end_ms
    left join isp.usage_floor f on f.subscriber = n.subscriber
    left join lateral (
      select start_ms, end_ms from isp.cycle
       where subscriber = n.subscriber and start_ms <= $6 order by start_ms desc limit 1) c on true
   where r.is_settled and r.window_start_ms <= n.first_ms
     and greatest(n.last_ms, $6) < r.window_end_ms
     and (f.at_ms is null or f.at_ms <= n.first_ms)
     and (c.start_ms is null or (
       c.start_ms <= n.first_ms and (c.end_ms is null or greatest(n.last_ms, $6) < c.end_ms)
       and (r.written_policy ->> 'every' <> 'billing'
            or (c.start_ms = r.window_start_ms
                and coalesce(c.end_ms, 9223372036854775807) = r.window_end_ms))))
     and not exists (
       select from isp.quota_override where subscriber = n.subscriber and kind = 'vendor')
), windows as (
  update isp.quota_state q set
    upload = q.upload + f.added_up, download = q.download + f.added_down, version = q.version + 1
  from found f
  where q.subscriber = f.subscriber and q.kind = 'bandwidth' and f.added_up + f.added_down > 0
), cycles as (
  update isp.cycle c set upload = c.upload + f.added_up, download = c.download + f.added_down
  from found f
  where c.subscriber = f.subscriber and c.start_ms = f.cycle_start_ms
    and f.added_up + f.added_down > 0
), days as (
  insert into isp.usage_day as d (subscriber, day, upload, download)
  select subscriber, day, added_up, added_down from found where added_up + added_down > 0
  on conflict (subscriber, day) do update set
    upload = d.upload + excluded.upload, download = d.download + excluded.download
)
select array_agg(f.subscriber), array_agg(f.policy_hash),
       array_agg(4 * (f.status = 'active')::int + 8 * (o.sessions > 0)::int), array_agg(f.topup),
       array_agg(f.carried), array_agg(f.upload + f.added_up),
       array_agg(f.download + f.added_down), array_agg(f.window_start_ms),
       array_agg(f.window_end_ms),
       array_agg(case when o.least = o.most then o.most else 0 end),
       array_agg(coalesce(f.expires_at_ms, 9223372036854775807))
  from found f
  cross join lateral (
    select count(*) as sessions, min(applied_template) as least, max(applied_template) as most
      from isp.session
     where subscriber = f.subscriber and stopped_at_ms is null
       and updated_at_ms >= $6::bigint - $7::bigint) o

-- name: policies
-- Policies that figures of bandwidth were written under.
select policy::text from isp.quota_state
  join unnest($1::bigint[]) with ordinality as n(subscriber, place) using (subscriber)
 where kind = 'bandwidth' order by n.place

-- name: add_days
-- What was used on days of subscribers; each pair once.
insert into isp.usage_day as d (subscriber, day, upload, download)
select * from unnest($1::bigint[], $2::date[], $3::bigint[], $4::bigint[])
on conflict (subscriber, day) do update set
  upload = d.upload + excluded.upload, download = d.download + excluded.download

-- name: add_events
-- The same by the instants of events: each belongs to the cycle that had begun last.
with hit as (
  select n.subscriber, c.start_ms, sum(n.upload)::bigint as upload,
         sum(n.download)::bigint as download
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
      as n(subscriber, at_ms, upload, download)
    cross join lateral (
      select start_ms from isp.cycle
       where subscriber = n.subscriber and start_ms <= n.at_ms
       order by start_ms desc limit 1) c
   group by n.subscriber, c.start_ms
)
update isp.cycle c set upload = c.upload + h.upload, download = c.download + h.download
from hit h where c.subscriber = h.subscriber and c.start_ms = h.start_ms

-- name: floors
-- Clears of subscribers.
select subscriber, at_ms, day from isp.usage_floor where subscriber = any($1::bigint[])

-- name: lower
-- What came from before a clear on its own day; it is forgotten with the rest.
update isp.usage_floor f set upload = f.upload + n.upload, download = f.download + n.download
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as n(subscriber, upload, download)
where f.subscriber = n.subscriber
