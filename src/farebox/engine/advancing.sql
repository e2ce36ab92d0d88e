-- Open sessions that simply go on.

-- name: advance
-- Sessions of subscribers ($2, in their order) at devices ($3) under names ($4) go on to instants
-- ($5) with counters ($6, $7), seconds ($8) and gigawords ($9) of records ($1), where a record is
-- later than what was heard last and its counters are not lower; of some of one name, the one that
-- began last. What those records add. Most columns in are texts, names divided by U+001F, and
-- columns out are arrays: rows cost the driver more than all the rest.
with found as (
  select n.*, h.id, h.updated_at_ms, n.upload - h.upload as added_up,
         n.download - h.download as added_down,
         row_number() over (partition by n.place order by h.started_at_ms desc) as age
    from unnest(
        $1::text::int[], $2::bigint[], $3::text::bigint[],
        string_to_array($4::text, chr(31)), $5::text::bigint[], $6::text::bigint[],
        $7::text::bigint[], $8::text::bigint[], $9::text::bool[])
      as n(place, subscriber, nas, name, at_ms, upload, download, time_s, has_gigawords)
    join isp.session h
      on h.subscriber = n.subscriber and h.nas = n.nas and h.acct_session_id = n.name
     and h.subscriber = any($2::bigint[]) and h.stopped_at_ms is null
), written as (
  update isp.session o set
    updated_at_ms = f.at_ms, upload = f.upload, download = f.download, session_time_s = f.time_s,
    has_gigawords = o.has_gigawords or f.has_gigawords
  from found f
  where o.subscriber = any($2::bigint[]) and o.stopped_at_ms is null
    and o.subscriber = f.subscriber and o.id = f.id and f.age = 1
    and f.at_ms > f.updated_at_ms and f.added_up >= 0 and f.added_down >= 0
  returning f.subscriber, f.place, f.at_ms, f.added_up, f.added_down
)
select coalesce(array_agg(subscriber), '{}'), coalesce(array_agg(place), '{}'),
       coalesce(array_agg(at_ms), '{}'), coalesce(array_agg(added_up), '{}'),
       coalesce(array_agg(added_down), '{}')
  from written
