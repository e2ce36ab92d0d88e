-- What pictures of charts say beside their figures.

-- name: exponents
-- Digits after the point, by currency.
select code, exponent from vending.currency where code = any($1::text[])
