-- Who a device is, where it stands and which groups see that place.

-- name: find_machine
-- The machine a device id names: its hostname first (any case), else its decimal id.
select m.id, m.hostname, m.location, m.active, m.gateway, cur.code as currency,
       l.owner, l.external_ref, l.time_zone,
       array(select g.locationgroup from vending.locationgroup_location g
             where g.location = l.id) as location_groups,
       array(select a.usergroup from vending.usergroup_location a where a.location = l.id
             union
             select a.usergroup from vending.usergroup_locationgroup a
               join vending.locationgroup_location g on g.locationgroup = a.locationgroup
             where g.location = l.id) as assigned
from vending.machine m
join vending.location l on l.id = m.location
left join vending.currency cur on cur.id = m.currency
where lower(m.hostname) = lower($1) or m.id = $2::int
order by (lower(m.hostname) = lower($1)) desc
limit 1

-- name: close_groups
-- These groups and all their ancestors, and whether each is enabled.
with recursive up as (
  select g.id, g.parent, g.deleted or g.disabled_at_ms is not null as disabled
  from vending.usergroup g where g.id = any($1::int[])
  union
  select g.id, g.parent, g.deleted or g.disabled_at_ms is not null
  from vending.usergroup g join up on up.parent = g.id)
select id, disabled from up

-- name: disabled_groups
-- Those of these groups that are disabled or deleted.
select id from vending.usergroup
where id = any($1::int[]) and (deleted or disabled_at_ms is not null)

-- name: code_of
-- The canonical code of a voucher.
select code_key from voucher.voucher where id = $1
