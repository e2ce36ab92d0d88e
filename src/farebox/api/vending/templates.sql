-- Which templates a place may have.

-- name: for_location
-- A template `t` of a location's owner or of a group above it, or everybody's.
(t.owner is null or t.owner in (
   with recursive above as (
     select g.id, g.parent from vending.usergroup g
      where g.id = (select l.owner from vending.location l where l.id = {location}::int)
     union all
     select g.id, g.parent from above a join vending.usergroup g on g.id = a.parent)
   select a.id from above a))
