-- What the network has to be told.

-- name: begin
-- A switch is open from now on; nothing when one is already.
insert into isp.switch (subscriber, kind, since_ms) values ($1, $2, $3)
on conflict do nothing returning true

-- name: close
-- It is no longer open.
delete from isp.switch where subscriber = $1 and kind = $2

-- name: open_sessions
-- Sessions of a subscriber that have not ended.
select id from isp.session where subscriber = $1 and stopped_at_ms is null and nas is not null
 order by id

-- name: applied_template
-- What these sessions hold now.
update isp.session set applied_template = $2 where id = any($1::bigint[])

-- name: applied_attributes
-- What these sessions hold now.
update isp.session set applied_attributes = $2 where id = any($1::bigint[])

-- name: falls_back
-- Whether the subscriber's account ends sessions that cannot be changed.
select a.coa_fallback_disconnect
  from isp.subscriber s join isp.account a on a.id = s.account where s.id = $1

-- name: ended
-- These sessions are over.
update isp.session set stopped_at_ms = $2 where id = any($1::bigint[]) and stopped_at_ms is null

-- name: sets
-- The two sets of attributes of an override.
select attributes from isp.quota_override where subscriber = $1 and kind = 'vendor'

-- name: template
-- A speed.
select * from isp.bandwidth_template where id = $1
