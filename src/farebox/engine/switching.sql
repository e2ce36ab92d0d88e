-- What the network has to be told.

-- name: begin
-- A switch is open from now on; nothing when one is already.
insert into isp.switch (subscriber, kind, since_ms) values ($1, $2, $3)
on conflict do nothing returning true

-- name: open_sessions
-- Sessions of a subscriber that have not ended.
select id from isp.session where subscriber = $1 and stopped_at_ms is null and nas is not null
 order by id
