-- Upkeep of users and tenants of the hosted PBX (pbx.md 3.11).

-- name: hold_admins
-- One at a time changes who is an admin.
select pg_advisory_xact_lock(hashtext('pbx.users'))

-- name: has_admin
-- Whether somebody may administer.
select exists (select from pbx.users where role = 'admin' and enabled = 'yes')

-- name: remove_destinations
-- Routes go first: nothing has to look for them any more.
delete from pbx.destination where tenant = $1

-- name: remove_phones
-- Telephones of a tenant.
delete from pbx.phone where tenant = $1

-- name: remove_dids
-- Its numbers outside.
delete from pbx.did where tenant = $1

-- name: remove_hunts
-- Its ring groups.
delete from pbx.hunt where tenant = $1

-- name: remove_extensions
-- Its lines, with their accounts.
delete from pbx.extension where tenant = $1

-- name: remove_voicemails
-- Its mailboxes.
delete from pbx.voicemail where tenant = $1

-- name: remove_conditions
-- Its conditions.
delete from pbx.condition where tenant = $1

-- name: remove_ivrs
-- Its menus.
delete from pbx.ivr where tenant = $1

-- name: remove_customs
-- Its custom destinations.
delete from pbx.custom where tenant = $1

-- name: remove_tenant
-- The tenant itself.
delete from pbx.tenant where id = $1

-- name: count_tenants
-- How many of these tenants there are.
select count(*) from pbx.tenant where id = any ($1::bigint[])

-- name: codes
-- The codes of the tenants that were given to a user.
select coalesce(array_agg(t.code order by t.code), '{}')
  from pbx.user_tenant m
  join pbx.tenant t on t.id = m.tenant
 where m.person = $1

-- name: remove_members
-- What a user does not see any more.
delete from pbx.user_tenant where person = $1 and tenant <> all ($2::bigint[])

-- name: add_members
-- What a user sees from now on.
insert into pbx.user_tenant (person, tenant) select $1, unnest($2::bigint[]) on conflict do nothing

-- name: audit
-- The audit log, of one tenant if it is given.
select * from pbx.audit where id > $1 and ($3::bigint is null or tenant = $3) order by id limit $2

-- name: add_admin
-- Another admin, unless the name is taken.
insert into pbx.users (username, password_hash, role, created_at_ms, updated_at_ms)
values ($1, $2, 'admin', $3, $3)
on conflict (lower(username)) do nothing
returning id
