-- Users of the IPTV portal's API (iptv.md 1).

-- name: find
-- A user by name.
select login, password_hash, role from iptv.api_user where login = $1

-- name: replace_hash
-- The same password, hashed as we hash today.
update iptv.api_user set password_hash = $3 where login = $1 and password_hash = $2

-- name: add
-- A user, unless there is one of this name.
insert into iptv.api_user (login, password_hash, role, created_at_ms) values ($1, $2, $3, $4)
on conflict (login) do nothing returning login
