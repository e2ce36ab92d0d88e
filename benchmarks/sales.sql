-- Sales to measure with: 10 000 machines at 2 000 places in twelve zones, a year in order of time.

-- name: filled
-- How many sales were filled in, and until when; nothing where that was not finished.
select f.sales, f.until_ms from bench.filled f

-- name: set_aside
-- Drops the indexes and remembers them: many rows are added faster without, and no slower to read.
do $$
declare one record;
begin
  create schema bench;
  create table bench.filled (sales bigint not null, until_ms bigint not null);
  create table bench.aside as
  select i.indexrelid::regclass::text as name, c.conname,
         replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') as definition,
         pg_get_constraintdef(c.oid) as key
    from pg_index i left join pg_constraint c on c.conindid = i.indexrelid
   where i.indrelid = 'vending.revenuetransaction'::regclass;
  for one in select * from bench.aside loop
    if one.conname is null then
      execute format('drop index %s', one.name);
    else
      execute format('alter table vending.revenuetransaction drop constraint %I', one.conname);
    end if;
  end loop;
end
$$

-- name: put_back
-- Makes the indexes as they were.
do $$
declare one record;
begin
  for one in select * from bench.aside loop
    execute coalesce(
      'alter table vending.revenuetransaction add constraint ' || quote_ident(one.conname) || ' '
        || one.key,
      one.definition);
  end loop;
end
$$

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

-- name: finish
-- Says that everything is there.
insert into bench.filled (sales, until_ms) values ($1, $2)

-- name: add_gateways
-- Gateways 1001 to 1000 + $1 at place 2, where nobody else sells; each sells what machine 80 sells.
with made as (
  insert into vending.machine (id, name, hostname, location, currency, transaction_profile,
                               created_at_ms, updated_at_ms)
  select 1000 + n, 'Bench ' || n, 'bench-' || n, 2, 978, 1, $2, $2
    from generate_series(1, $1::int) n
      on conflict (id) do nothing
  returning id
), known as (
  insert into vending.device_key (machine, sha256, created_at_ms)
  select m.id, sha256(convert_to('key of ' || m.id, 'UTF8')), $2 from made m
)
insert into vending.product (machine, class, plu, name, price, created_at_ms, updated_at_ms)
select m.id, p.class, p.plu, p.name, p.price, $2, $2 from made m, vending.product p
 where p.machine = 80
