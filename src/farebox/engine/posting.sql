-- Bytes of events, added to days, cycles and windows; and what follows from them.

-- name: add_in_place
-- What subscribers ($1) used in all ($5, $6) between their first ($3) and last ($4) events, added
-- to day, cycle and window as they are written down: where these hold the events and the present
-- ($7) too, were written under the terms in force ($2), no clear lies between, and there is no
-- second window. Terms by their places ($9) with their days are $10 to $16. Figures as they are
-- then, as columns; a session counts as open, which is 8, for so long after it was heard of ($8).
-- Cycles that began since $17 are looked for together, and those of the others one by one.
with windows as (
  update isp.quota_state q set
    upload = q.upload + n.added_up, download = q.download + n.added_down,
    version = q.version + (n.added_up + n.added_down > 0)::int,
    -- Said again, because its number is generated: where an update leaves alone what a generated
    -- column is made of, the column's definition is read anew for every row.
    policy = q.policy
  from unnest(
      $1::bigint[], $2::text::int[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[],
      $6::text::bigint[]) as n(subscriber, terms, first_ms, last_ms, added_up, added_down)
  join unnest(
      $9::int[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
      $15::bigint[], $16::date[])
    as t(place, zone, policy_hash, since_ms, zone_since_ms, start_ms, end_ms, day)
    on t.place = n.terms and t.start_ms <= n.first_ms and n.last_ms < t.end_ms
  left join isp.quota_override o
    on o.subscriber = n.subscriber and o.subscriber = any($1::bigint[]) and o.kind = 'bandwidth'
  left join isp.quota_override v
    on v.subscriber = n.subscriber and v.subscriber = any($1::bigint[]) and v.kind = 'vendor'
  left join isp.usage_floor f
    on f.subscriber = n.subscriber and f.subscriber = any($1::bigint[])
  left join (
    select subscriber, min(applied_template) as least, max(applied_template) as most
      from isp.session
     where subscriber = any($1::bigint[]) and stopped_at_ms is null
       and updated_at_ms >= $7::bigint - $8::bigint
     group by subscriber) h on h.subscriber = n.subscriber
  left join (
    select distinct on (subscriber) subscriber, start_ms, end_ms from isp.cycle
     where subscriber = any($1::bigint[]) and start_ms between $17 and $7
     order by subscriber desc, start_ms desc) r on r.subscriber = n.subscriber
  left join lateral (
    select start_ms, end_ms from isp.cycle
     where r.subscriber is null and subscriber = n.subscriber and start_ms < $17
     order by start_ms desc limit 1) b on true
  cross join lateral (
    select coalesce(r.start_ms, b.start_ms) as start_ms,
           case when r.subscriber is null then b.end_ms else r.end_ms end as end_ms) c
  where q.subscriber = any($1::bigint[]) and q.kind = 'bandwidth' and q.subscriber = n.subscriber
    and v.subscriber is null
    and q.policy_hash = coalesce(o.policy_hash, t.policy_hash)
    and q.settled_at_ms >= case when o.subscriber is null then t.since_ms else t.zone_since_ms end
    and coalesce(q.time_zone = t.zone, true)
    and q.window_start_ms <= n.first_ms and greatest(n.last_ms, $7) < q.window_end_ms
    and (f.at_ms is null or f.at_ms <= n.first_ms)
    and (c.start_ms is null or (
      c.start_ms <= n.first_ms and (c.end_ms is null or greatest(n.last_ms, $7) < c.end_ms)
      and (q.policy ->> 'every' <> 'billing'
           or (c.start_ms = q.window_start_ms
               and coalesce(c.end_ms, 9223372036854775807) = q.window_end_ms))))
  returning q.subscriber, q.policy_hash, q.topup, q.carried, q.upload, q.download,
            q.window_start_ms, q.window_end_ms, 8 * (h.subscriber is not null)::int as online,
            case when h.least = h.most then h.most else 0 end as applied,
            n.added_up, n.added_down, c.start_ms as cycle, t.day
), cycles as (
  update isp.cycle c set upload = c.upload + w.added_up, download = c.download + w.added_down
  from windows w
  where c.subscriber = any($1::bigint[]) and c.start_ms >= (select min(cycle) from windows)
    and c.subscriber = w.subscriber and c.start_ms = w.cycle and w.added_up + w.added_down > 0
), days as (
  update isp.usage_day d set
    upload = d.upload + w.added_up, download = d.download + w.added_down
  from windows w
  where d.subscriber = any($1::bigint[]) and d.day = any($16::date[])
    and d.subscriber = w.subscriber and d.day = w.day and w.added_up + w.added_down > 0
  returning d.subscriber
), new_days as (
  insert into isp.usage_day (subscriber, day, upload, download)
  select subscriber, day, added_up, added_down from windows
   where added_up + added_down > 0 and subscriber not in (select subscriber from days)
)
select array_agg(subscriber), array_agg(policy_hash), array_agg(online), array_agg(topup),
       array_agg(carried), array_agg(upload), array_agg(download), array_agg(window_start_ms),
       array_agg(window_end_ms), array_agg(applied)
  from windows

-- name: policies
-- Policies that figures of bandwidth were written under, by their numbers.
select policy_hash, policy::text from isp.quota_state
 where subscriber = any($1::bigint[]) and kind = 'bandwidth'

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
