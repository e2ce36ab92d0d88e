-- The devices of the network and the sessions on them.

-- name: sessions
-- Open sessions of subscribers with their devices, in the order of their start.
select o.id, o.subscriber, o.acct_session_id, s.username, o.applied_template,
       o.applied_attributes, n.vendor,
       host(o.framed_ip) as framed_ip, n.id as device,
       n.account, coalesce(n.coa_enabled, false) as coa_enabled, n.ip,
       n.identifier, n.coa_port, n.secret_sealed
  from isp.session o
  join isp.subscriber s on s.id = o.subscriber
  join isp.account a on a.id = s.account
  left join isp.nas n on n.id = o.nas
 where o.subscriber = any($1::bigint[]) and o.stopped_at_ms is null
   and o.updated_at_ms >= $2::bigint - 1000 * a.session_silence_s
 order by o.subscriber, o.started_at_ms, o.id

-- name: close
-- The devices no longer know these sessions.
update isp.session set stopped_at_ms = $2 where id = any($1::bigint[]) and stopped_at_ms is null

-- name: server
-- The server that an account, or the nearest one above it, asks for statistics.
select r.id as device, r.account, r.host, r.status_port, r.secret_sealed
  from isp.ancestry($1) with ordinality as above(account, depth)
  join isp.radius_server r on r.account = above.account
 order by above.depth, r.id limit 1

-- name: keep_nas_secret
-- What a device shares with us.
update isp.nas set secret_sealed = $2 where id = $1

-- name: keep_server_secret
-- What a server shares with us.
update isp.radius_server set secret_sealed = $2 where id = $1
