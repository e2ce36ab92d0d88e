-- Passwords of subscribers.

-- name: sealed
-- As they are kept.
select password_sealed from isp.subscriber where id = $1

-- name: sealed_of
-- Those of many, as they are kept.
select id, password_sealed from isp.subscriber where id = any($1::bigint[])

-- name: set
-- Another one.
update isp.subscriber set password_sealed = $2, updated_at_ms = $3 where id = $1
