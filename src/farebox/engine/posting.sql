-- Bytes of events, added to days, cycles and windows; and what follows from them.

-- name: rows
-- Written figures of a kind ($2) of subscribers ($1) at an instant ($3), and the newest cycle.
select r.subscriber, r.is_settled, r.zone, r.user_group, r.own_policy::text, r.status = 'active',
       r.expires_at_ms, r.window_start_ms, r.window_end_ms, r.upload, r.download, r.topup,
       r.carried, c.start_ms, c.end_ms, f.at_ms
  from isp.quota_row r
  left join isp.usage_floor f on f.subscriber = r.subscriber
  left join lateral (
    select start_ms, end_ms from isp.cycle
     where subscriber = r.subscriber and start_ms <= $3 order by start_ms desc limit 1) c on true
 where r.subscriber = any($1::bigint[]) and r.kind = $2

-- name: policies
-- Policies that figures of a kind were written under.
select policy::text from isp.quota_state
  join unnest($2::bigint[]) with ordinality as n(subscriber, place) using (subscriber)
 where kind = $1 order by n.place

-- name: add_days
-- What was used on days of subscribers; each pair once.
insert into isp.usage_day as d (subscriber, day, upload, download)
select * from unnest(
  $1::text::bigint[], $2::text::date[], $3::text::bigint[], $4::text::bigint[])
on conflict (subscriber, day) do update set
  upload = d.upload + excluded.upload, download = d.download + excluded.download

-- name: add_windows
-- What was used in the present windows of a kind.
update isp.quota_state q set
  upload = q.upload + n.upload, download = q.download + n.download, version = q.version + 1
from unnest($2::text::bigint[], $3::text::bigint[], $4::text::bigint[])
  as n(subscriber, upload, download)
where q.subscriber = n.subscriber and q.kind = $1

-- name: add_cycles
-- What was used in cycles, by their beginnings; each pair once.
update isp.cycle c set upload = c.upload + n.upload, download = c.download + n.download
from unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[])
  as n(subscriber, start_ms, upload, download)
where c.subscriber = n.subscriber and c.start_ms = n.start_ms

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
