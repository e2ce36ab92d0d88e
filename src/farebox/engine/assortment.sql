-- What machines sell. Whoever changes it has locked the machines first.

-- name: claim
-- Locks machines against other changes of their assortment, in the order of their ids.
select from vending.machine where id = any($1::int[]) order by id for no key update

-- name: mark_changed
-- Tells devices that there is something new.
update vending.machine set assortment_version = assortment_version + 1 where id = any($1::int[])

-- name: manage
-- From now on the assortment is the operator's, not what the machine reported.
update vending.machine set is_managed_assortment = true, updated_at_ms = $2
where id = any($1::int[]) and not is_managed_assortment

-- name: free_plu
-- The lowest number from $2 on that nothing at machine $1 has.
select min(candidate) from (
  select $2::int as candidate
  union all
  select p.plu + 1 from vending.product p where p.machine = $1 and p.plu >= $2
) c
where not exists (select from vending.product p where p.machine = $1 and p.plu = c.candidate)

-- name: convert
-- Base products of a machine become flavours or extras with new ids.
update vending.product set id = default, class = $3, created_at_ms = $4, updated_at_ms = $4
where machine = $1 and id = any($2::int[]) and class = 'base'

-- name: other_classes
-- Those of the numbers that flavours and extras of the machine have.
select plu from vending.product where machine = $1 and plu = any($2::int[]) and class <> 'base'
order by plu

-- name: drop_others
-- Removes the base products with other numbers.
delete from vending.product where machine = $1 and class = 'base' and plu <> all($2::int[])
returning plu

-- name: put_base
-- Adds base products, or writes those that differ.
insert into vending.product as p
  (machine, class, plu, name, price, report_name, barcode, created_at_ms, updated_at_ms)
select $1, 'base', n.plu, n.name, n.price, n.report_name, n.barcode, $2, $2
from unnest($3::int[], $4::text[], $5::int[], $6::text[], $7::text[])
  as n (plu, name, price, report_name, barcode)
order by n.plu
on conflict on constraint product_plu_once do update
set name = excluded.name, price = excluded.price, report_name = excluded.report_name,
    barcode = excluded.barcode, updated_at_ms = $2
where (p.name, p.price, p.report_name, p.barcode)
      is distinct from (excluded.name, excluded.price, excluded.report_name, excluded.barcode)
returning plu

-- name: take_time
-- Lets a copy to many machines run longer than an ordinary statement.
set local statement_timeout = '60s'

-- name: drop_strangers
-- Removes from the machines $2 what machine $1 does not have under the same number and class.
delete from vending.product t where t.machine = any($2::int[]) and not exists (
  select from vending.product s
  where s.machine = $1 and s.plu = t.plu and s.class = t.class)
returning t.machine

-- name: put_copies
-- Adds to the machines $2 what machine $1 has, or writes what differs.
insert into vending.product as p
  (machine, class, plu, name, price, report_name, barcode, internal_ref, vatrate, ledger,
   subledger, created_at_ms, updated_at_ms)
select m.id, s.class, s.plu, s.name, s.price, s.report_name, s.barcode, s.internal_ref, s.vatrate,
       s.ledger, s.subledger, $3, $3
from vending.product s cross join unnest($2::int[]) as m (id)
where s.machine = $1
order by m.id, s.plu
on conflict on constraint product_plu_once do update
set name = excluded.name, price = excluded.price, report_name = excluded.report_name,
    barcode = excluded.barcode, internal_ref = excluded.internal_ref, vatrate = excluded.vatrate,
    ledger = excluded.ledger, subledger = excluded.subledger, updated_at_ms = $3
where (p.name, p.price, p.report_name, p.barcode, p.internal_ref, p.vatrate, p.ledger, p.subledger)
      is distinct from
      (excluded.name, excluded.price, excluded.report_name, excluded.barcode,
       excluded.internal_ref, excluded.vatrate, excluded.ledger, excluded.subledger)
returning machine
