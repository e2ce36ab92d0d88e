-- Machines, where the resource engine needs more than a table.

-- name: has_sold
-- Machines with revenue transactions, which keep them from being deleted.
(select m.id as machine from vending.machine m where m.last_revenuetransaction is not null)

-- name: has_logged
-- Machines with logs.
(select m.id as machine from vending.machine m where m.last_log is not null)

-- name: has_machines
-- A location `t` where machines are.
exists (select from vending.machine m where m.location = t.id)

-- name: copied
-- What a copy of machine $1 takes over where it is not told otherwise.
select location, machine_model, machine_type, manufacturer, currency, debtor, tag, notes,
       virtual_prices, active, transaction_profile, rule_set
from vending.machine where id = $1

-- name: copy_belongings
-- Gives machine $2 what machine $1 sells, its hours, its configuration, and those of its groups
-- that belong to the user groups $3.
with sold as (
  insert into vending.product
    (machine, class, plu, name, price, report_name, barcode, internal_ref, vatrate, ledger,
     subledger, created_at_ms, updated_at_ms)
  select $2::int, p.class, p.plu, p.name, p.price, p.report_name, p.barcode, p.internal_ref,
         p.vatrate, p.ledger, p.subledger, $4::bigint, $4
    from vending.product p where p.machine = $1::int order by p.id
  returning 1
), hours as (
  insert into vending.openinghours (machine, day, start_s, end_s)
  select $2, h.day, h.start_s, h.end_s from vending.openinghours h where h.machine = $1
), configured as (
  insert into vending.machineconfig
    (machine, config, mode, ssid, encryption, encryption_key, apn, sharing, created_at_ms,
     updated_at_ms)
  select $2, c.config, c.mode, c.ssid, c.encryption, c.encryption_key, c.apn, c.sharing, $4, $4
    from vending.machineconfig c where c.machine = $1
  returning 1
), grouped as (
  insert into vending.machinegroup_machine (machinegroup, machine)
  select l.machinegroup, $2
    from vending.machinegroup_machine l join vending.machinegroup g on g.id = l.machinegroup
   where l.machine = $1 and g.owner = any($3::int[])
)
update vending.machine m
   set assortment_version = (select count(*) from (select from sold limit 1) s),
       config_version = (select count(*) from configured),
       config_state = case when exists (select from configured) then 'scheduled'
                           else m.config_state end
 where m.id = $2

-- name: lock_gateways
-- Lets one change of gateways happen at a time.
select pg_advisory_xact_lock(76, 1)

-- name: unfit
-- Why machine $1 cannot report through machine $2; null if it can.
select case
  when $1::int = $2::int then 'is the machine itself'
  when g.gateway is not null then 'reports through another machine'
  when exists (select from vending.machine b where b.gateway = $1)
    then 'cannot be had by a machine that others report through' end
from vending.machine g where g.id = $2
