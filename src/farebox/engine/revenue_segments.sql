-- Reads a month of sales as columns, in one snapshot. $1 and $2 are its span of instants.

-- name: patience
-- A large month takes longer than other statements may.
set local statement_timeout = '10min'

-- name: sorting
-- And sorts in memory.
set local work_mem = '64MB'

-- name: snapshot
-- What this transaction sees.
select pg_current_snapshot()::text

-- name: kinds
-- The places (0), machines (1), products (2) and currencies (3) of the month, with their sales.
select case when grouping(k.location) = 0 then 0 when grouping(k.machine) = 0 then 1
            when grouping(k.name) = 0 then 2 else 3 end as kind,
       k.location, k.time_zone, k.machine, k.name, k.currency, count(*) as sales
  from vending.revenuetransaction k
 where k.occurred_at_ms >= $1 and k.occurred_at_ms < $2 and not k.excluded
 group by grouping sets ((k.location, k.time_zone), (k.machine), (k.name), (k.currency))

-- name: columns
-- The month in the form of the kernel's stream, oldest first.
select (s.occurred_at_ms / 1000)::int8, p.number::int4, m.number::int4, n.number::int4,
       c.number::int2, s.price::int4, 0::int2
  from vending.revenuetransaction s
  join unnest($3::int[], $4::text[], $5::int[]) as p (location, time_zone, number)
    on p.location = s.location and p.time_zone = s.time_zone
  join unnest($6::int[], $7::int[]) as m (machine, number) on m.machine = s.machine
  join unnest($8::text[], $9::int[]) as n (name, number) on n.name = s.name
  join unnest($10::text[], $11::int[]) as c (currency, number) on c.currency = s.currency
 where s.occurred_at_ms >= $1 and s.occurred_at_ms < $2 and not s.excluded
 order by s.occurred_at_ms
