-- Parts of conditions for machines by status (vending-platform.md 3.3).

-- name: chosen
-- A machine `t` that a widget's settings name: itself, its group, its place. Groups that the caller
-- does not see choose nothing.
(t.id = any({machines}::int[])
 or t.location = any({locations}::int[])
 or t.id in (
   select l.machine
   from vending.machinegroup_machine l join vending.machinegroup g on g.id = l.machinegroup
   where g.id = any({machine_groups}::int[]) and g.owner = any({groups}::int[]))
 or t.location in (
   select l.location
   from vending.locationgroup_location l join vending.locationgroup g on g.id = l.locationgroup
   where g.id = any({location_groups}::int[])
     and (g.owner = any({groups}::int[])
          or exists (select from vending.usergroup_locationgroup a
                     where a.locationgroup = g.id and a.usergroup = any({groups}::int[])))))

-- name: watching
-- Ids of the observers at machines `t` for which what follows holds; two brackets end it.
(select w.alertobserver from vending.alertobserver_machine w where w.machine in (
   select t.id from vending.machine t where
