-- Sums by currency and local day, as PostgreSQL is quickest with them.

-- name: patience
-- All cores, memory for hashes, and nothing compiled at run time, for this session.
select set_config('max_parallel_workers_per_gather', $1, false),
       set_config('work_mem', '256MB', false), set_config('jit', 'off', false)

-- name: zones
-- Every zone that a sale can have.
select z.name from vending.sale_zone z order by z.name

-- name: by_currency_and_day
-- Days since 1970 between two times on the wall ($7, $8), of the places from $9 on but $10. Before
-- them zones, their offsets, and twice a change and the offset after it.
select w.currency, w.wall_s / 86400 as day, count(*) filter (where w.price >= 0) as units,
       sum(w.price)::bigint as total
  from (select s.currency, s.price,
               s.occurred_at_ms / 1000
                 + case when s.occurred_at_ms / 1000 >= z.second then z.last
                        when s.occurred_at_ms / 1000 >= z.change then z.later
                        else z.first end as wall_s
          from vending.revenuetransaction s
          join unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::int[])
               as z (name, first, change, later, second, last) on z.name = s.time_zone
         where s.occurred_at_ms >= ($7::bigint - 86400) * 1000
           and s.occurred_at_ms < ($8::bigint + 86400) * 1000
           and not s.excluded and s.location >= $9::int and s.location <> $10::int) w
 where w.wall_s >= $7::bigint and w.wall_s < $8::bigint
 group by 1, 2
