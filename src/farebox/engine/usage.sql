-- Usage as the network reports it.

-- name: lock
-- Subscribers of an account by their names, locked in the order of their ids.
select s.id, s.username, coalesce(s.time_zone, a.time_zone) as zone
  from isp.subscriber s join isp.account a on a.id = s.account
 where s.account = $1 and s.username = any($2::text[]) and s.status <> 'deleted'
 order by s.id for update of s

-- name: remember
-- Whether a record with an id is new.
insert into isp.usage_record (account, record_id, created_at_ms) values ($1, $2, $3)
on conflict do nothing returning true

-- name: forget_records
-- Ids that are too old to come again.
delete from isp.usage_record where created_at_ms < $1

-- name: nas
-- A device of the account, or of one above it, by identifier or address.
select id from isp.nas
 where account in (select isp.ancestry($1)) and (identifier = $2 or ip = $2) and $2 <> ''
 order by account <> $1, id limit 1

-- name: session
-- The newest session of a device under a name.
select * from isp.session
 where account = $1 and nas = $2 and acct_session_id = $3
 order by started_at_ms desc limit 1 for update

-- name: open_session
-- A session that begins.
insert into isp.session
  (account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, framed_ip, mac)
values ($1, $2, $3, $4, $5, $5, $6::text::inet, $7::text::macaddr)
returning *

-- name: update_session
-- What a session has counted.
update isp.session set
  updated_at_ms = $2, upload = $3, download = $4, stopped_at_ms = $5, session_time_s = $6,
  has_gigawords = $7, cause = coalesce($8, cause)
where id = $1

-- name: add_day
-- What was used on a day.
insert into isp.usage_day as d (subscriber, day, upload, download) values ($1, $2, $3, $4)
on conflict (subscriber, day) do update set
  upload = d.upload + excluded.upload, download = d.download + excluded.download

-- name: lower_floor
-- Whether it was used before a clear; on the clear's own day it is forgotten with the rest.
update isp.usage_floor set
  upload = upload + case when day = $3 then $4 else 0 end,
  download = download + case when day = $3 then $5 else 0 end
where subscriber = $1 and at_ms > $2
returning true

-- name: add_cycle
-- What was used in the cycle of an instant.
update isp.cycle set upload = upload + $3, download = download + $4
 where subscriber = $1
   and start_ms = (select max(start_ms) from isp.cycle where subscriber = $1 and start_ms <= $2)

-- name: add_window
-- What was used in the present window.
update isp.quota_state set
  upload = upload + $3, download = download + $4, version = version + 1
where subscriber = $1 and kind = $2

-- name: latest
-- The beginning of the newest window of a subscriber.
select coalesce(max(window_start_ms), 0) from isp.quota_state where subscriber = $1

-- name: days
-- What a subscriber used, by day.
select day, upload, download from isp.usage_day where subscriber = $1 order by day

-- name: previous
-- The window before the present one.
select previous, carried from isp.quota_state where subscriber = $1 and kind = $2

-- name: lower_carried
-- The window before was used more than was known.
update isp.quota_state set previous = $3, carried = $4, version = version + 1
 where subscriber = $1 and kind = $2
