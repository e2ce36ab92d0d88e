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

-- name: page
-- Users by name.
select login, role from iptv.api_user order by login collate "C" offset $1 limit $2

-- name: count
-- All of them.
select count(*) from iptv.api_user

-- name: hold
-- One at a time changes who is an admin.
select pg_advisory_xact_lock(hashtext('iptv api users'))

-- name: change
-- Another password or role.
update iptv.api_user
   set password_hash = coalesce($2, password_hash), role = coalesce($3, role)
 where login = $1 returning login

-- name: remove
-- A user.
delete from iptv.api_user where login = $1 returning login

-- name: has_admin
-- Whether somebody may administer.
select exists (select from iptv.api_user where role = 'admin')
