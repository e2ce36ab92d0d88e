-- Sets of rows that restrict what a caller's groups may see (vending-platform.md 4.2).
-- They are parts of statements; `{groups}`, `{group}`, `{caller}`, `{admin}` are bound in those.

-- name: owned_locations
-- Ids of the locations that the groups own.
select l.id from vending.location l where l.owner = any({groups}::int[])

-- name: assigned_locations
-- Ids of the locations that the groups were assigned directly or through a location group.
select a.location from vending.usergroup_location a where a.usergroup = any({groups}::int[])
union all
select m.location
from vending.usergroup_locationgroup a
join vending.locationgroup_location m on m.locationgroup = a.locationgroup
where a.usergroup = any({groups}::int[])

-- name: assigned_locationgroups
-- Ids of the location groups that were assigned to one of the groups.
(select a.locationgroup from vending.usergroup_locationgroup a
 where a.usergroup = any({groups}::int[]))

-- name: ancestors
-- Ids of the caller's group and of all groups above it.
(with recursive up as (
   select g.id, g.parent from vending.usergroup g where g.id = {group}::int
   union all
   select g.id, g.parent from up join vending.usergroup g on g.id = up.parent)
 select up.id from up)

-- name: inferior_users
-- Ids of the users in the groups strictly below the caller's, for callers of admin groups.
(select u.id from vending.users u
 where {admin}::bool and u.owner = any({groups}::int[]) and u.owner <> {group}::int)
