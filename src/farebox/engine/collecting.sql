-- Money collected at the door.

-- name: find_admin
-- Whether the account or one above it has a collector.
select true from isp.admin
 where id = $1 and enabled and account in (select isp.ancestry($2))

-- name: assigned
-- Those a collector collects from, with where they live and what they owe.
select s.id, s.account, s.name, s.last_name, coalesce(s.person_title, s.name) as person_title,
       s.phone, s.email, s.address_line1, s.address_line2, l.latitude, l.longitude,
       l.area as area_id, a.name as area, t.name as street, b.name as block, o.balance
  from isp.collection_assignment c
  join isp.subscriber s on s.id = c.subscriber
  left join isp.location l on l.subscriber = s.id
  left join isp.area a on a.id = l.area
  left join isp.street t on t.id = l.street
  left join isp.block b on b.id = l.block
  left join lateral (
    select sum(e.amount_thousandths)::bigint as balance
      from isp.ledger_entry e where e.subscriber = s.id) o on true
 where s.account = $1 and c.admin = $2 and s.status <> 'deleted'
   and ($3::bigint is null or l.area = $3) and (not $4 or o.balance > 0) and s.id > $5
 order by s.id limit $6

-- name: pending
-- Collections that wait, with whom they are from.
select p.id as collection, p.amount_thousandths, p.created_at_ms, s.id, s.account, s.name,
       s.last_name, coalesce(s.person_title, s.name) as person_title, s.phone, s.email,
       s.address_line1, s.address_line2, l.latitude, l.longitude, l.area as area_id,
       a.name as area, t.name as street, b.name as block,
       coalesce(s.time_zone, z.time_zone) as time_zone
  from isp.payment_collection p
  join isp.subscriber s on s.id = p.subscriber
  join isp.account z on z.id = s.account
  left join isp.location l on l.subscriber = s.id
  left join isp.area a on a.id = l.area
  left join isp.street t on t.id = l.street
  left join isp.block b on b.id = l.block
 where p.account = $1 and p.state = 'pending'
   and ($2::bigint is null or p.created_at_ms >= $2)
   and ($3::bigint is null or p.created_at_ms < $3)
   and ($4::bigint is null or p.admin = $4) and p.id > $5
 order by p.id limit $6

-- name: present
-- Which of some ids an account has; nobody else changes them meanwhile.
select id from isp.subscriber
 where account = $1 and id = any($2::bigint[]) and status <> 'deleted'
 order by id for key share

-- name: assign
-- These belong to this collector now.
insert into isp.collection_assignment (subscriber, admin, assigned_at_ms)
select unnest($1::bigint[]), $2, $3
on conflict (subscriber) do update set admin = excluded.admin,
  assigned_at_ms = excluded.assigned_at_ms

-- name: ask
-- A subscriber wants a visit.
insert into isp.collection_request (subscriber, bring_change_for, created_at_ms)
values ($1, $2, $3)
on conflict (subscriber) do update set bring_change_for = excluded.bring_change_for

-- name: close_request
-- He need not be visited any more.
delete from isp.collection_request where subscriber = $1

-- name: add
-- A visit; without an admin the one he is assigned to. Nothing when the cheque is known.
insert into isp.payment_collection
  (account, subscriber, admin, amount_thousandths, status_of_collection, method, bank,
   cheque_number, cheque_date, card_last4, card_expiration, notes, state, created_at_ms)
select $1, $2, coalesce($3, (select admin from isp.collection_assignment where subscriber = $2)),
       $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
on conflict do nothing
returning id

-- name: find
-- A collection of a subscriber, locked.
select state, amount_thousandths from isp.payment_collection
 where id = $1 and subscriber = $2 for update

-- name: settle
-- A pending collection gets its last state.
update isp.payment_collection set state = $2 where id = $1 and state = 'pending'

-- name: credit
-- What was paid, in the ledger.
insert into isp.ledger_entry (subscriber, kind, amount_thousandths, reference, created_at_ms)
values ($1, 'payment', $2, $3, $4)
