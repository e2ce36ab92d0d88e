-- Users of the hosted PBX and what they may see (pbx.md 1, 1.2).

-- name: find
-- A user by name.
select id, username, password_hash, role, enabled from pbx.users where lower(username) = lower($1)

-- name: replace_hash
-- The same password, hashed as we hash today.
update pbx.users set password_hash = $3, updated_at_ms = $4 where id = $1 and password_hash = $2

-- name: named
-- A user by address, else by name, as an admin or as itself.
select id from pbx.users
 where (lower(email) = lower($1) or lower(username) = lower($1)) and ($2::bool or id = $3)
 order by (lower(email) = lower($1)) desc limit 1

-- name: tenants
-- What a user sees: all tenants, or its own.
select t.id::text as te_id, t.name as te_name from pbx.tenant t
 where exists (select from pbx.users u where u.id = $1 and u.role = 'admin')
    or t.id in (select m.tenant from pbx.user_tenant m where m.person = $1)
 order by t.id

-- name: memberships
-- The tenants that were given to a user.
select t.id::text as te_id, t.name as te_name from pbx.tenant t
  join pbx.user_tenant m on m.tenant = t.id
 where m.person = $1
 order by t.id

-- name: stored_hash
-- How a user's password is kept.
select password_hash from pbx.users where id = $1

-- name: stored_hashes
-- The same of users by names in small letters.
select lower(username) as name, password_hash from pbx.users
 where lower(username) = any ($1::text[])

-- name: set_hash
-- Another password.
update pbx.users set password_hash = $2, updated_at_ms = $3 where id = $1 returning id

-- name: note
-- An entry of the audit log.
insert into pbx.audit (at_ms, person, username, client, action, tenant, subject)
values ($1, $2, $3, $4, $5, $6, $7)
