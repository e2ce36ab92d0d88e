-- Sales to measure with: 10 000 machines at 2 000 places in twelve zones, a year in order of time.

-- name: add_places
-- Places of North, a zone after the other.
insert into vending.location (id, owner, name, address, postcode, city, country, time_zone,
                              created_at_ms, updated_at_ms)
select 10000 + g, 2, 'Place ' || g, '', '', '', '', zones[1 + g % cardinality(zones)], 0, 0
  from generate_series(1, 2000) g,
       (select array['Europe/Amsterdam', 'Europe/London', 'America/New_York', 'America/Chicago',
                     'America/Los_Angeles', 'America/Sao_Paulo', 'Asia/Tokyo', 'Asia/Kolkata',
                     'Asia/Kathmandu', 'Australia/Sydney', 'Africa/Cairo', 'UTC'] as zones) z

-- name: add_sales
-- Sales number $1 to $2 exclusive, of $3, spread evenly over the year before $4.
insert into vending.revenuetransaction
  (machine, location, time_zone, occurred_at_ms, name, price, currency, created_at_ms,
   updated_at_ms)
select 10000 + luck % 10000, l.id, l.time_zone,
       ($4 - 31536000000 + g * 31536000000 / $3) / 1000 * 1000,
       'Product ' || (luck % 10000 * 7 + luck / 16384 % 20) % 500,
       50 + luck / 64 % 200, (array['EUR', 'USD', 'GBP', 'JPY'])[1 + luck / 512 % 4], $4, $4
  from (select g, hashint8(g) & 1073741823 as luck
          from generate_series($1::bigint, $2::bigint - 1) g) s
  join vending.location l on l.id = 10001 + luck % 10000 % 2000

-- name: settle
-- Statistics for the planner.
vacuum (analyze) vending.revenuetransaction
