-- Shifts of a location: one chain, the last link open (vending-platform.md 4.9). Batches of sales
-- hold the location's row shared, so a shift begins between two batches, never within one.

-- name: be_patient
-- How long to wait for the location, in milliseconds, in this transaction.
select set_config('lock_timeout', $1::text, true), set_config('statement_timeout', '6000', true)

-- name: hold
-- The location's row, with the shift that is open there.
select l.active_shift, s.created_at_ms
  from vending.location l left join vending.shift s on s.id = l.active_shift
 where l.id = $1 for no key update of l

-- name: close
-- A shift ends; sales of the time after it, told by clocks that run ahead, are not its own.
update vending.shift h
   set closed_at_ms = $2, updated_at_ms = $2,
       first_transaction = case when h.first_at_ms < $2 then h.first_transaction end,
       first_at_ms = case when h.first_at_ms < $2 then h.first_at_ms end,
       last_transaction = case when h.last_at_ms < $2 then h.last_transaction else n.id end,
       last_at_ms = case when h.last_at_ms < $2 then h.last_at_ms else n.occurred_at_ms end
  from (select 1) as one
  left join lateral (
    select r.id, r.occurred_at_ms
      from vending.shift s
      join vending.revenuetransaction r
        on r.location = s.location and r.occurred_at_ms >= s.created_at_ms
       and r.occurred_at_ms < $2::bigint
     where s.id = $1 and s.last_at_ms >= $2::bigint
     order by r.occurred_at_ms desc, r.id desc limit 1) n on true
 where h.id = $1

-- name: open
-- A shift begins, with the sales that clocks ahead have told of already.
insert into vending.shift (location, previous_shift, created_at_ms, updated_at_ms,
                           first_transaction, first_at_ms, last_transaction, last_at_ms)
select $1, $2, $3, $3, f.id, f.occurred_at_ms, n.id, n.occurred_at_ms
  from (select 1) as one
  left join lateral (
    select r.id, r.occurred_at_ms from vending.revenuetransaction r
     where r.location = $1 and r.occurred_at_ms >= $3::bigint
     order by r.occurred_at_ms, r.id limit 1) f on true
  left join lateral (
    select r.id, r.occurred_at_ms from vending.revenuetransaction r
     where r.location = $1 and r.occurred_at_ms >= $3::bigint
     order by r.occurred_at_ms desc, r.id desc limit 1) n on true
returning id

-- name: note_open
-- The location's open shift.
update vending.location set active_shift = $2 where id = $1
