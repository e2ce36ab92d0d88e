-- Products, where the resource engine needs more than a table.

-- name: location_of_machine
-- The location of a row's machine, which decides who sees the row.
(select m.location from vending.machine m where m.id = t.machine)

-- name: combinations
-- Every base product alone and with each flavour, each extra, and both (vending-platform.md 4.5).
-- The id orders the rows by machine, then by their numbers; the rank by their numbers alone.
(select array[b.machine, b.plu, coalesce(f.plu, -1), coalesce(e.plu, -1)] as id,
        array[b.plu, coalesce(f.plu, -1), coalesce(e.plu, -1)] as rank, b.id as product,
        b.machine, b.class, b.barcode, b.report_name, b.internal_ref, b.remote_price, b.vatrate,
        b.ledger, b.subledger, b.created_at_ms, b.updated_at_ms,
        b.plu || case when f.plu is null and e.plu is null then ''
                      else '-' || coalesce(f.plu::text, '') || coalesce('-' || e.plu, '')
                 end as plu,
        concat_ws(' + ', b.name, f.name, e.name) as name,
        b.price + coalesce(f.price, 0) + coalesce(e.price, 0) as price
 from vending.product b
 cross join lateral (
   select null::int as plu, null as name, 0 as price
   union all
   select p.plu, p.name, p.price from vending.product p
   where p.machine = b.machine and p.class = 'flavour') f
 cross join lateral (
   select null::int as plu, null as name, 0 as price
   union all
   select p.plu, p.name, p.price from vending.product p
   where p.machine = b.machine and p.class = 'extra') e
 where b.class = 'base')
