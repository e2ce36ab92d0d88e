-- Which machines a filter means, as conditions on a machine `t` (vending-platform.md 3.2).

-- name: machine
-- Named themselves.
t.id = any({ids}::int[])

-- name: machinegroup
-- Members of machine groups.
t.id in (select g.machine from vending.machinegroup_machine g
         where g.machinegroup = any({ids}::int[]))

-- name: location
-- Standing at locations.
t.location = any({ids}::int[])

-- name: locationgroup
-- Standing at the locations of location groups.
t.location in (select g.location from vending.locationgroup_location g
               where g.locationgroup = any({ids}::int[]))
