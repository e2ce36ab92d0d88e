-- What is taken from subscribers.

-- name: address_at
-- The fixed address at an index.
select id from isp.static_address where subscriber = $1 order by id offset $2 limit 1

-- name: drop_address
-- A row of which nothing would be left.
delete from isp.static_address
 where id = $1 and (ip is null or $2) and (mac is null or $3)

-- name: strip_address
-- A row of which something is left, or was; gives back whether he has it or had it.
with stripped as (
  update isp.static_address set
    ip = case when $2 then null else ip end, mac = case when $3 then null else mac end
  where id = $1 and (($2 and ip is not null) or ($3 and mac is not null))
  returning 1
)
select exists (select from stripped)
    or not exists (select from isp.static_address where id = $1)

-- name: touch
-- He was changed.
update isp.subscriber set updated_at_ms = $2 where id = $1

-- name: delete
-- He no longer exists.
update isp.subscriber set status = 'deleted', updated_at_ms = $2 where id = $1

-- name: forget_addresses
-- His fixed addresses are free.
delete from isp.static_address where subscriber = $1

-- name: forget_location
-- Nobody lives there.
delete from isp.location where subscriber = $1

-- name: forget_overrides
-- What held for him alone.
delete from isp.quota_override where subscriber = $1

-- name: forget_assignment
-- Nobody collects from him.
delete from isp.collection_assignment where subscriber = $1

-- name: forget_request
-- He need not be visited.
delete from isp.collection_request where subscriber = $1

-- name: cancel_moves
-- He will not be moved.
update isp.scheduled_move set status = 'cancelled'
 where subscriber = $1 and status = 'scheduled'

-- name: disapprove
-- What waits for approval will not get it.
update isp.payment_collection set state = 'disapproved'
 where subscriber = $1 and state = 'pending'

-- name: balance
-- His balance becomes nothing.
insert into isp.ledger_entry (subscriber, kind, amount_thousandths, reference, created_at_ms)
select $1, 'adjustment', -sum(amount_thousandths), 'deleted', $2
  from isp.ledger_entry where subscriber = $1
having sum(amount_thousandths) <> 0

-- name: turn
-- Another status.
update isp.subscriber set status = $2, updated_at_ms = $3 where id = $1
