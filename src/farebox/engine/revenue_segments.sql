-- Reads a month of sales as columns, in one snapshot. $1 and $2 are its span of instants.

-- name: patience
-- A large month takes longer than other statements may.
set local statement_timeout = '10min'

-- name: order
-- Rows are read as they lie, which is how they came: not in pieces, and not place by place.
select set_config('max_parallel_workers_per_gather', '0', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_nestloop', 'off', true)

-- name: snapshot
-- What this transaction sees.
select pg_current_snapshot()::text

-- name: kinds
-- The places (0), products (1) and currencies (2) of the month, with their greatest machine and
-- how many sales they have.
select case when grouping(k.location) = 0 then 0 when grouping(k.name) = 0 then 1
            else 2 end as kind,
       k.location, k.time_zone, k.name, k.currency, max(k.machine) as machine, count(*) as sales
  from vending.revenuetransaction k
 where k.occurred_at_ms >= $1 and k.occurred_at_ms < $2 and not k.excluded
 group by grouping sets ((k.location, k.time_zone), (k.name), (k.currency))

-- name: columns
-- The month in the form of the kernel's stream. It is not sorted: what came late stands among what
-- came with it, and the kernel puts a full chunk in order. A place is its location and the number
-- of its zone in $3. Distinct says that a key has one number: the planner would expect several.
select (s.occurred_at_ms / 1000)::int8, p.number::int4, s.machine::int4, n.number::int4,
       c.number::int2, s.price::int4, 0::int2
  from vending.revenuetransaction s
  join (select distinct on (a.name) a.name, a.number
          from unnest($3::text[]) with ordinality as a (name, number)) z on z.name = s.time_zone
  join (select distinct on (a.key) a.key, a.number
          from unnest($4::bigint[], $5::int[]) as a (key, number)) p
    on p.key = s.location * 65536::bigint + z.number
  join (select distinct on (a.name) a.name, a.number
          from unnest($6::text[], $7::int[]) as a (name, number)) n on n.name = s.name
  join (select distinct on (a.name) a.name, a.number
          from unnest($8::text[], $9::int[]) as a (name, number)) c on c.name = s.currency
 where s.occurred_at_ms >= $1 and s.occurred_at_ms < $2 and not s.excluded
