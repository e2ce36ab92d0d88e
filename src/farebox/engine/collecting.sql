-- Money collected at the door.

-- name: find_admin
-- Whether the account or one above it has a collector.
select true from isp.admin
 where id = $1 and enabled and account in (select isp.ancestry($2))

-- name: areas
-- The areas of an account.
select id from isp.area where account = $1 order by id

-- name: assigned
-- Those a collector collects from, with where they live and what they owe.
select v.*, o.balance
  from isp.collection_assignment c
  join isp.resident v on v.id = c.subscriber
  left join lateral (
    select sum(e.amount_thousandths)::bigint as balance
      from isp.ledger_entry e where e.subscriber = v.id) o on true
 where v.account = $1 and c.admin = $2 and v.status <> 'deleted'
   and (not $3 or o.balance > 0) and c.subscriber > $4
 order by c.subscriber limit $5

-- name: assigned_in
-- The same, those of an area, or of none.
select v.*, o.balance
  from isp.collection_assignment c
  join isp.resident v on v.id = c.subscriber
  left join lateral (
    select sum(e.amount_thousandths)::bigint as balance
      from isp.ledger_entry e where e.subscriber = v.id) o on true
 where v.account = $1 and c.admin = $2 and v.status <> 'deleted'
   and (not $3 or o.balance > 0) and c.subscriber > $4
   and c.area = $6
 order by c.subscriber limit $5

-- name: pending
-- Collections that wait, with whom they are from.
select v.*, p.id as collection, p.amount_thousandths, p.created_at_ms
  from isp.payment_collection p
  join isp.resident v on v.id = p.subscriber
 where p.account = $1 and p.state = 'pending'
   and ($2::bigint is null or p.created_at_ms >= $2)
   and ($3::bigint is null or p.created_at_ms < $3)
   and ($4::bigint is null or p.admin = $4) and p.id > $5
 order by p.id limit $6

-- name: pending_in
-- The same, from those of an area, or of none.
select v.*, p.id as collection, p.amount_thousandths, p.created_at_ms
  from isp.payment_collection p
  join isp.resident v on v.id = p.subscriber
 where p.account = $1 and p.state = 'pending'
   and ($2::bigint is null or p.created_at_ms >= $2)
   and ($3::bigint is null or p.created_at_ms < $3)
   and ($4::bigint is null or p.admin = $4) and p.id > $5
   and p.area = $7
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

-- name: requests
-- Who wants a visit.
select s.id, r.bring_change_for, r.created_at_ms
  from isp.collection_request r join isp.subscriber s on s.id = r.subscriber
 where s.account = $1 and ($2::bigint is null or s.id = $2)
   and ($3::bigint is null or r.created_at_ms >= $3)
   and ($4::bigint is null or r.created_at_ms < $4) and s.id > $5
 order by s.id limit $6

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
