-- Figures from the rows of sales (vending-commerce.md 4.12). $1 to $8 are the arguments of
-- vending.sold: a span of instants, places, machines or null, spans of offsets.

-- name: patience
-- Lets the statements of this transaction run longer than usual.
set local statement_timeout = '60s'

-- name: zones
-- Every zone that a sale can have.
select z.name from vending.sale_zone z order by z.name

-- name: daily
-- By currency and local day, between two times on the wall.
select s.currency, s.local_s / 86400 + 1,
       count(*) filter (where s.price >= 0), sum(s.price)
  from vending.sold($1, $2, $3, $4, $5, $6, $7, $8) s
 where s.local_s >= $9::bigint and s.local_s < $10::bigint
 group by 1, 2
 order by s.currency collate "C", 2

-- name: best
-- Units by day of the products that were sold most.
with figures as materialized (
  select s.name, s.local_s / 86400 + 1 as day,
         count(*) filter (where s.price >= 0) as units, sum(s.price) as total
    from vending.sold($1, $2, $3, $4, $5, $6, $7, $8) s
   where s.local_s >= $9::bigint and s.local_s < $10::bigint
   group by 1, 2
), best as (
  select f.name, sum(f.units) as units, sum(f.total) as total
    from figures f
   group by 1
   order by 2 desc, 3 desc, f.name collate "C"
   limit $11::int
)
select b.name, f.day, f.units
  from best b join figures f using (name)
 order by b.units desc, b.total desc, b.name collate "C"

-- name: to_date
-- Since the beginning of day, week, month and year in each zone ($9), as half-open ordinals.
with figures as materialized (
  select s.currency, s.time_zone, s.local_s / 86400 + 1 as day,
         count(*) filter (where s.price >= 0) as units, sum(s.price) as total
    from vending.sold($1, $2, $3, $4, $5, $6, $7, $8) s
   group by 1, 2, 3
)
select f.currency,
       coalesce(sum(f.units) filter (where f.day >= n.day and f.day < n.day_end), 0)::bigint,
       coalesce(sum(f.total) filter (where f.day >= n.day and f.day < n.day_end), 0)::bigint,
       coalesce(sum(f.units) filter (where f.day >= n.week and f.day < n.week_end), 0)::bigint,
       coalesce(sum(f.total) filter (where f.day >= n.week and f.day < n.week_end), 0)::bigint,
       coalesce(sum(f.units) filter (where f.day >= n.month and f.day < n.month_end), 0)::bigint,
       coalesce(sum(f.total) filter (where f.day >= n.month and f.day < n.month_end), 0)::bigint,
       coalesce(sum(f.units) filter (where f.day >= n.year and f.day < n.year_end), 0)::bigint,
       coalesce(sum(f.total) filter (where f.day >= n.year and f.day < n.year_end), 0)::bigint
  from figures f
  join unnest($9::text[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[],
              $16::int[], $17::int[])
       as n (zone, day, day_end, week, week_end, month, month_end, year, year_end)
    on n.zone = f.time_zone
 where f.day >= n.week and f.day < n.week_end or f.day >= n.year and f.day < n.year_end
 group by 1
 order by f.currency collate "C"

-- name: hourly
-- By currency, local day (if $12) and hour of the week, since a day in each zone.
select s.currency, case when $12::bool then s.local_s / 86400 + 1 else 0 end,
       s.local_s / 3600 % 168,
       count(*) filter (where s.price >= 0), sum(s.price)
  from vending.sold($1, $2, $3, $4, $5, $6, $7, $8) s
  join unnest($9::text[], $10::int[]) as n (zone, day) on n.zone = s.time_zone
 where s.local_s / 86400 + 1 >= n.day
   and ($11::text is null or s.currency = $11)
 group by 1, 2, 3
