-- Commands for devices (vending-platform.md 4.6). Who fetches them gives them out.

-- name: queue
-- One command for each machine.
insert into vending.devicecommand
  (machine, command, params, expires_at_ms, created_at_ms, updated_at_ms)
select m, $2, $3, $4::bigint + $5::bigint, $4, $4 from unnest($1::int[]) as m order by m
returning id

-- name: cancel
-- A command that no device has fetched.
update vending.devicecommand
   set state = 'cancelled', finished_at_ms = $2, updated_at_ms = $2
 where id = $1 and state = 'queued'
returning true

-- name: expire
-- Commands that were not executed in time; those just being fetched wait for the next look.
update vending.devicecommand c
   set state = 'expired', finished_at_ms = $1, updated_at_ms = $1
  from (select id from vending.devicecommand
         where state in ('queued', 'delivered') and expires_at_ms <= $1
         order by expires_at_ms limit 10000 for no key update skip locked) late
 where c.id = late.id
