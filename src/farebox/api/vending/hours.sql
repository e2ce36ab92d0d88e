-- Opening hours, where the resource engine needs more than a table (vending-platform.md 3.7).

-- name: location_of_machine
-- The location by which hours `t` are seen.
(select m.location from vending.machine m where m.id = t.machine)

-- name: start_time
-- The start as it is written.
to_char(make_interval(secs => t.start_s), 'HH24:MI:SS')

-- name: end_time
-- The end as it is written; the end of the day is 24:00:00.
to_char(make_interval(secs => t.end_s), 'HH24:MI:SS')

-- name: lock_machines
-- Makes other writers of these machines wait.
select m.id from vending.machine m where m.id = any($1::int[]) order by m.id for no key update

-- name: clear
-- Takes all hours from machines.
delete from vending.openinghours where machine = any($1::int[])

-- name: add
-- Gives every one of the machines $1 all rows of days $2, starts $3 and ends $4.
insert into vending.openinghours (machine, day, start_s, end_s)
select m.id, h.day, h.start_s, h.end_s
from unnest($1::int[]) as m (id),
     unnest($2::int[], $3::int[], $4::int[]) as h (day, start_s, end_s)
