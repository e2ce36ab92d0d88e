-- Currency rates (vending-commerce.md 4.12).

-- name: write_rate
-- Stores the rate of a currency that exists, in place of the day's former one.
insert into vending.currencyrate as r (currency, day, rate, created_at_ms, updated_at_ms)
select c.code, $2, $3, $4, $4 from vending.currency c where c.code = $1
on conflict (currency, day) do update
   set rate = excluded.rate, updated_at_ms = excluded.updated_at_ms
returning id

-- name: rates
-- All rates, oldest first, days as ordinals; with the digits after the point of their currencies
-- and of the reporting one.
select r.currency, r.day - date '0001-01-01' + 1 as day, r.rate, c.exponent,
       (select o.exponent from vending.currency o where o.code = $1) as reporting_exponent
  from vending.currencyrate r
  join vending.currency c on c.code = r.currency
 order by r.currency, r.day
