-- Users, their groups and tokens, and the keys of devices.

-- name: user_by_login
-- The user who signs in as this text; an e-mail address wins over a username that looks like it.
select u.id, u.email, u.password_hash, u.email_confirmed, u.password_expires_ms,
       u.disabled_at_ms is not null or vending.is_group_closed(u.owner) as disabled
  from vending.users u
 where lower(u.username) = lower($1) or u.email = lower($1)
 order by u.email = lower($1) desc
 limit 1

-- name: user_to_mail
-- The enabled user whom every given name matches.
select u.id, u.email
  from vending.users u
 where u.disabled_at_ms is null
   and ($1::text is null or lower(u.username) = lower($1))
   and ($2::text is null or u.email = lower($2))

-- name: user_by_id
-- One user as it sees itself, with its language and group.
select u.id, u.username, u.email, u.email_confirmed, u.disabled_at_ms, u.password_expires_ms,
       u.created_at_ms, u.updated_at_ms,
       l.id as language_id, l.name as language_name, l.language, l.locale,
       l.created_at_ms as language_created_at_ms, l.updated_at_ms as language_updated_at_ms,
       g.id as group_id, g.name as group_name, g.parent, g.admin, g.deleted,
       g.disabled_at_ms as group_disabled_at_ms,
       g.created_at_ms as group_created_at_ms, g.updated_at_ms as group_updated_at_ms
  from vending.users u
  join vending.language l on l.id = u.language
  join vending.usergroup g on g.id = u.owner
 where u.id = $1

-- name: user_state
-- What a token of this user and family stands on: version, groups above and below, permissions.
with recursive above as (
  select g.id, g.parent, g.permissions, g.disabled_at_ms, g.deleted, g.admin, 1 as step
    from vending.users u join vending.usergroup g on g.id = u.owner where u.id = $1
  union all
  select g.id, g.parent, g.permissions, g.disabled_at_ms, g.deleted, g.admin, a.step + 1
    from vending.usergroup g join above a on g.id = a.parent where a.step < 32
), below as (
  select u.owner as id, 1 as step from vending.users u where u.id = $1
  union all
  select g.id, b.step + 1
    from vending.usergroup g join below b on g.parent = b.id where b.step < 32
), granted as (
  select p.name from above a, unnest(a.permissions) as p (name)
   group by p.name
  having count(distinct a.id) = (select count(a.permissions) from above a)
)
select u.id, u.username, u.owner, u.token_version,
       u.disabled_at_ms is not null
         or (select bool_or(a.deleted or a.disabled_at_ms is not null) from above a) as disabled,
       (select a.admin from above a where a.step = 1) as admin,
       (select count(a.permissions) > 0 from above a) as restricted,
       array(select name from granted) as permissions,
       array(select distinct id from below) as groups,
       exists (select from vending.token_family f
                where f.id = $2 and f.users = u.id and f.revoked_at_ms is null) as family_lives
  from vending.users u
 where u.id = $1

-- name: device_state
-- What a token made with this key stands on.
select k.id as key, m.id as machine, m.hostname, l.owner
  from vending.device_key k
  join vending.machine m on m.id = k.machine
  join vending.location l on l.id = m.location
 where k.id = $1 and k.revoked_at_ms is null

-- name: device_by_key
-- The device that proves itself with a hostname and a key.
select k.id as key, m.id as machine, m.hostname, l.owner
  from vending.machine m
  join vending.device_key k on k.machine = m.id and k.revoked_at_ms is null
  join vending.location l on l.id = m.location
 where lower(m.hostname) = lower($1) and k.sha256 = $2

-- name: note_key_use
-- Remembers when a key was last used, at most twice a minute.
update vending.device_key
   set last_used_at_ms = $2::bigint
 where id = $1 and (last_used_at_ms is null or last_used_at_ms < $2::bigint - 30000)

-- name: open_family
-- Starts a family with its first live refresh token.
with family as (
  insert into vending.token_family (id, users, issued_at_ms, expires_at_ms)
  values ($1, $2, $4, $6) returning id
)
insert into vending.refresh_token (jti, family, issued_at_ms, expires_at_ms)
select $3, id, $4, $5 from family

-- name: rotate_refresh
-- Exchanges a refresh token; the whole rule is in the function.
select outcome, person, family, ends_at_ms from vending.rotate_refresh($1, $2, $3, $4, $5)

-- name: token_bearer
-- The user whom an unused token from a mail names.
select t.users
  from vending.email_token t
  join vending.users u on u.id = t.users and u.disabled_at_ms is null
 where t.sha256 = $1 and t.purpose = $2 and t.used_at_ms is null and t.expires_at_ms > $3

-- name: spend_token
-- Sets the password that a mailed token permits; every older proof of the user dies with it.
with found as (
  select t.users from vending.email_token t
   where t.sha256 = $1 and t.purpose = $2 and t.used_at_ms is null and t.expires_at_ms > $3
     for update
), spent as (
  update vending.email_token t set used_at_ms = $3
    from found where t.users = found.users and t.used_at_ms is null
), revoked as (
  update vending.token_family f set revoked_at_ms = $3
    from found where f.users = found.users and f.revoked_at_ms is null
)
update vending.users u
   set password_hash = $4, token_version = token_version + 1, email_confirmed = true,
       password_expires_ms = $5, updated_at_ms = $3
  from found
 where u.id = found.users and u.disabled_at_ms is null
returning u.id

-- name: retire_tokens
-- Invalidates what was mailed to this user for this purpose before.
update vending.email_token set used_at_ms = $3
 where users = $1 and purpose = $2 and used_at_ms is null

-- name: add_token
-- Stores the hash of a token that is about to be mailed.
insert into vending.email_token (sha256, users, purpose, expires_at_ms) values ($1, $2, $3, $4)

-- name: replace_hash
-- Strengthens a stored hash after its password was right, unless it has changed meanwhile.
update vending.users set password_hash = $3 where id = $1 and password_hash = $2

-- name: visible_machine
-- The hostname of a machine whose location one of these groups owns or was assigned.
select m.hostname
  from vending.machine m
  join vending.location l on l.id = m.location
 where m.id = $1
   and (l.owner = any($2::int[])
        or exists (select from vending.usergroup_location a
                    where a.location = l.id and a.usergroup = any($2::int[]))
        or exists (select from vending.locationgroup_location c
                     join vending.usergroup_locationgroup a on a.locationgroup = c.locationgroup
                    where c.location = l.id and a.usergroup = any($2::int[])))

-- name: add_key
-- Gives a machine a new key in place of its former ones.
with former as (
  update vending.device_key set revoked_at_ms = $3 where machine = $1 and revoked_at_ms is null
)
insert into vending.device_key (machine, sha256, created_at_ms) values ($1, $2, $3)

-- name: revoke_keys
-- Takes all keys of a machine out of use.
update vending.device_key set revoked_at_ms = $2 where machine = $1 and revoked_at_ms is null
