-- What the resource engine cannot say about groups and users (vending-platform.md 2.1, 2.2).

-- name: lock_forest
-- Lets one change of the groups' tree happen at a time, so that two moves cannot make a ring.
select pg_advisory_xact_lock(76, 0)

-- name: place_in_forest
-- Whether group $2 lies below group $1 (null: a new group), and how deep $1's tree gets there.
with recursive up as (
  select g.id, g.parent, 1 as depth from vending.usergroup g where g.id = $2::int
  union all
  select g.id, g.parent, u.depth + 1 from up u join vending.usergroup g on g.id = u.parent
  where u.depth < 64
), down as (
  select $1::int as id, 1 as depth
  union all
  select g.id, d.depth + 1 from down d join vending.usergroup g on g.parent = d.id
  where d.depth < 64
)
select exists (select from up where id = $1::int) as is_cycle,
       (select max(depth) from up) + (select max(depth) from down) as depth

-- name: is_deleted
-- Whether a group is deleted; a missing one is not.
select exists (select from vending.usergroup g where g.id = $1 and g.deleted)

-- name: granted
-- The permissions that each group was granted; a group without a list has them all.
(select p.id::int, p.name, g.id as usergroup
 from unnest({permissions}::text[]) with ordinality as p (name, id)
 join vending.usergroup g on g.permissions is null or p.name = any(g.permissions))

-- name: keepers
-- What keeps a group from being deleted: groups below it, people who can still sign in.
select exists (select from vending.usergroup g where g.parent = $1 and not g.deleted) as usergroup,
       exists (select from vending.users u
               where u.owner = $1 and u.disabled_at_ms is null) as "user"

-- name: end_sessions
-- Makes every token of a user worthless.
with raised as (
  update vending.users set token_version = token_version + 1 where id = $1
)
update vending.token_family set revoked_at_ms = $2 where users = $1 and revoked_at_ms is null

-- name: group_locations
-- Ids of the locations that group {parent} owns or was assigned.
(select l.id from vending.location l where l.owner = {parent}::int
 union all
 select a.location from vending.usergroup_location a where a.usergroup = {parent}::int
 union all
 select m.location
 from vending.usergroup_locationgroup a
 join vending.locationgroup_location m on m.locationgroup = a.locationgroup
 where a.usergroup = {parent}::int)
