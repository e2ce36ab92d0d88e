-- What operators write down for a subscriber.

-- name: settle_in
-- Where he lives.
insert into isp.location (subscriber, latitude, longitude, area, street, block)
values ($1, $2, $3, $4, $5, $6)
on conflict (subscriber) do update set
  latitude = excluded.latitude, longitude = excluded.longitude, area = excluded.area,
  street = excluded.street, block = excluded.block

-- name: assign
-- A fixed address; nothing when somebody has it.
insert into isp.static_address (account, subscriber, ip, mac)
values ($1, $2, $3::text::inet, $4::text::macaddr)
on conflict do nothing returning id

-- name: addresses
-- Fixed addresses of somebody.
select id, host(ip) as ip, upper(mac::text) as mac from isp.static_address
 where subscriber = $1 order by id

-- name: resign
-- A fixed address is free.
delete from isp.static_address where subscriber = $1 and id = $2 returning true

-- name: touch
-- He was changed.
update isp.subscriber set updated_at_ms = $2 where id = $1

-- name: enter
-- A line in the ledger.
insert into isp.ledger_entry (subscriber, kind, amount_thousandths, reference, created_at_ms)
values ($1, $2, $3, $4, $5)
returning id, kind, amount_thousandths, reference, created_at_ms

-- name: ledger
-- Lines of the ledger after an id.
select id, kind, amount_thousandths, reference, created_at_ms from isp.ledger_entry
 where subscriber = $1 and id > $2 order by id limit $3

-- name: package
-- What a group is sold.
select p.validity_days, p.billing_reset_type, p.price_thousandths, p.tax_thousandths
  from isp.user_group g join isp.profile p on p.id = g.profile where g.id = $1
