-- The first group and users made at the command line.

-- name: hold_accounts
-- One command at a time makes accounts.
select pg_advisory_xact_lock(79, 0)

-- name: first_group
-- The root group that was made first; null in an empty database.
select min(id) from vending.usergroup where parent is null and not deleted

-- name: make_root
-- The root group of an empty database; its members may write what belongs to everybody.
insert into vending.usergroup (name, parent, admin, created_at_ms, updated_at_ms)
values ('Root', null, true, $1, $1) returning id

-- name: has_group
-- Whether a group can take members.
select exists (select from vending.usergroup
               where id = $1 and not deleted and disabled_at_ms is null)

-- name: first_language
-- The language that was made first.
select min(id) from vending.language

-- name: make_language
-- English, where there is no language yet.
insert into vending.language (name, language, locale, owner, created_at_ms, updated_at_ms)
values ('English', 'en', 'en-GB', null, $1, $1) returning id

-- name: add_user
-- A user with a password and a confirmed address; nothing comes back when either name is taken.
insert into vending.users (username, email, owner, language, password_hash, email_confirmed,
                           created_at_ms, updated_at_ms)
values ($1, $2, $3, $4, $5, true, $6, $6)
on conflict do nothing returning id
