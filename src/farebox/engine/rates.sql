-- Currency rates (vending-commerce.md 4.12).

-- name: write_rate
-- Stores the rate of a currency that exists, in place of the day's former one.
insert into vending.currencyrate as r (currency, day, rate, created_at_ms, updated_at_ms)
select c.code, $2, $3, $4, $4 from vending.currency c where c.code = $1
on conflict (currency, day) do update
   set rate = excluded.rate, updated_at_ms = excluded.updated_at_ms
returning id

-- name: exponents
-- Digits after the point, of every currency.
select c.code, c.exponent from vending.currency c

-- name: rates
-- All rates, oldest first, days as ordinals.
select r.currency, r.day - date '0001-01-01' + 1, r.rate
  from vending.currencyrate r
 order by r.currency, r.day
