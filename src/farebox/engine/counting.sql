-- Sessions and what they have counted.

-- name: devices
-- Devices by their identifiers or addresses: those of an account, or of the nearest one above it.
select n.account, n.name, (
    select d.id from isp.ancestry(n.account) with ordinality as above(account, depth)
      join isp.nas d on d.account = above.account
     where d.identifier = n.name or d.ip = n.name
     order by above.depth, d.id limit 1) as device
  from unnest($1::text[], $2::text[]) as n(account, name)

-- name: open
-- The open sessions of subscribers.
select id, account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, stopped_at_ms,
       upload, download, session_time_s, has_gigawords
  from isp.session where subscriber = any($1::bigint[]) and stopped_at_ms is null
 order by started_at_ms

-- name: named
-- The newest sessions of accounts and devices under some names.
select distinct on (o.account, o.nas, o.acct_session_id)
       o.id, o.account, o.nas, o.acct_session_id, o.subscriber, o.started_at_ms, o.updated_at_ms,
       o.stopped_at_ms, o.upload, o.download, o.session_time_s, o.has_gigawords
  from unnest($1::text[], $2::bigint[], $3::text[]) as n(account, nas, name)
  join isp.session o
    on o.account = n.account and o.nas = n.nas and o.acct_session_id = n.name
 order by o.account, o.nas, o.acct_session_id, o.started_at_ms desc

-- name: begin
-- Sessions that were not known.
insert into isp.session
  (account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, stopped_at_ms, upload,
   download, session_time_s, has_gigawords, framed_ip, mac, cause)
select n.account, n.nas, n.name, n.subscriber, n.started_at_ms, n.updated_at_ms, n.stopped_at_ms,
       n.upload, n.download, n.session_time_s, n.has_gigawords, n.framed_ip::inet, n.mac::macaddr,
       n.cause
  from unnest(
    $1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bool[], $12::text[], $13::text[], $14::text[])
    as n(account, nas, name, subscriber, started_at_ms, updated_at_ms, stopped_at_ms, upload,
         download, session_time_s, has_gigawords, framed_ip, mac, cause)

-- name: go_on
-- What sessions have counted since.
update isp.session o set
  updated_at_ms = n.updated_at_ms, upload = n.upload, download = n.download,
  session_time_s = n.session_time_s, has_gigawords = o.has_gigawords or n.has_gigawords
from unnest(
    $1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[],
    $5::text::bigint[], $6::text::bool[])
    as n(id, updated_at_ms, upload, download, session_time_s, has_gigawords)
where o.id = n.id

-- name: stop
-- Sessions that have ended.
update isp.session o set stopped_at_ms = n.at_ms, cause = coalesce(n.cause, o.cause)
from unnest($1::bigint[], $2::bigint[], $3::text[]) as n(id, at_ms, cause)
where o.id = n.id

-- name: cut
-- The open sessions of devices that were switched on or off at an instant.
update isp.session o set stopped_at_ms = n.at_ms, cause = n.cause
from unnest($1::bigint[], $2::bigint[], $3::text[]) as n(nas, at_ms, cause)
where o.nas = n.nas and o.stopped_at_ms is null and o.updated_at_ms <= n.at_ms
  and o.started_at_ms < n.at_ms
