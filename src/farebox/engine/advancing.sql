-- Open sessions that simply go on.

-- name: advance
-- Sessions of subscribers ($2) at devices ($3) under names ($4) go on to instants ($5) with
-- counters ($6, $7), seconds ($8) and gigawords ($9) of records ($1), where a record is later than
-- what was heard last and its counters are not lower. What those records add. Columns in are texts,
-- names divided by U+001F, and columns out are arrays: rows cost the driver more than all the rest.
-- By their beginnings, but not in that index: it holds everything that has ended, too.
with reported as materialized (
  select * from unnest(
      $1::text::int[], $2::text::bigint[], $3::text::bigint[],
      string_to_array($4::text, chr(31)), $5::text::bigint[], $6::text::bigint[],
      $7::text::bigint[], $8::text::bigint[], $9::text::bool[])
    as n(place, subscriber, nas, name, at_ms, upload, download, time_s, has_gigawords)
), found as materialized (
  select n.*, o.id, n.upload - o.upload as added_up, n.download - o.download as added_down
    from reported n
    cross join lateral (
      select id, updated_at_ms, upload, download from isp.session
       where subscriber = n.subscriber and stopped_at_ms is null and nas = n.nas
         and acct_session_id = n.name
       order by started_at_ms + 0 desc limit 1) o
   where n.at_ms > o.updated_at_ms and n.upload >= o.upload and n.download >= o.download
), written as (
  update isp.session o set
    updated_at_ms = f.at_ms, upload = f.upload, download = f.download, session_time_s = f.time_s,
    has_gigawords = o.has_gigawords or f.has_gigawords
  from found f where o.id = f.id
)
select coalesce(array_agg(subscriber), '{}'), coalesce(array_agg(place), '{}'),
       coalesce(array_agg(at_ms), '{}'), coalesce(array_agg(added_up), '{}'),
       coalesce(array_agg(added_down), '{}')
  from found
