-- Gateways that report, and the usual way to store what they say, one INSERT for each record.

-- name: add_gateways
-- Gateways 1001 to 1000 + $1 at Central Station; each sells what machine 80 sells.
with made as (
  insert into vending.machine (id, name, hostname, location, currency, transaction_profile,
                               created_at_ms, updated_at_ms)
  select 1000 + n, 'Bench ' || n, 'bench-' || n, 2, 978, 1, $2, $2
    from generate_series(1, $1::int) n
  returning id
)
insert into vending.product (machine, class, plu, name, price, created_at_ms, updated_at_ms)
select m.id, p.class, p.plu, p.name, p.price, $2, $2 from made m, vending.product p
where p.machine = 80

-- name: insert_all
-- One record with its key and its payment, each once; the same rows as the product writes.
with key as (
  insert into vending.ingest_key (machine, stream, remote, hash, row_id)
  values ($1, 1, $2, $2, nextval('vending.revenuetransaction_id'))
  on conflict do nothing
  returning row_id
), sold as (
  insert into vending.revenuetransaction
    (id, remote, machine, location, time_zone, occurred_at_ms, product, plu, name, price, currency,
     token, num_paymenttransactions, created_at_ms, updated_at_ms)
  select k.row_id, $2, $1, 2, 'Europe/Amsterdam', $3, 1, 1, 'Coffee', 100, 'EUR', '^^C:R/-0', 1,
         $3, $3
    from key k
  returning id
)
insert into vending.paymenttransaction
  (revenuetransaction, machine, location, time_zone, occurred_at_ms, method, type, price, currency,
   report_group, created_at_ms, updated_at_ms)
select s.id, $1, 2, 'Europe/Amsterdam', $3, 'card', 'card', 100, 'EUR', 'C', $3, $3 from sold s

-- name: insert_sale
-- The sale alone: no payment, and nothing that would notice a repetition.
insert into vending.revenuetransaction
  (remote, machine, location, time_zone, occurred_at_ms, product, plu, name, price, currency,
   token, num_paymenttransactions, created_at_ms, updated_at_ms)
values ($2, $1, 2, 'Europe/Amsterdam', $3, 1, 1, 'Coffee', 100, 'EUR', '^^C:R/-0', 1, $3, $3)

-- name: keep_quiet
-- Readers of sales in memory are not told: a statement for each record would tell them each time.
alter table vending.revenuetransaction disable trigger revenuetransaction_told

-- name: tell
-- They are told again.
alter table vending.revenuetransaction enable trigger revenuetransaction_told

-- name: counted
-- What a gateway's rows are; all equal, or something is broken.
select count(*) as sales, count(distinct s.remote) as numbers,
       (select count(*) from vending.ingest_key k where k.machine = $1) as keys,
       (select count(*) from vending.paymenttransaction p where p.machine = $1) as payments,
       (select m.revenuetransaction_synced from vending.machine m where m.id = $1) as cursor
  from vending.revenuetransaction s
 where s.machine = $1
