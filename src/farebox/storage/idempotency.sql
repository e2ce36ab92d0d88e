-- Answers kept for requests that carried an Idempotency-Key.

-- name: be_patient
-- How long to wait for a twin that is still at work, in this transaction.
select set_config('lock_timeout', '5000', true), set_config('statement_timeout', '6000', true)

-- name: be_brief
-- Back to the connection's own time limits.
set local lock_timeout to default; set local statement_timeout to default

-- name: claim
-- Makes the key this request's own unless a younger answer is kept; a twin at work is waited for.
insert into farebox.idempotency as kept
       (owner, key, request_hash, status, headers, body, created_at_ms)
values ($1, $2, $3, 0, '{}', '', $4)
on conflict (owner, key) do update
   set request_hash = excluded.request_hash, created_at_ms = excluded.created_at_ms
 where kept.created_at_ms <= excluded.created_at_ms - $5::bigint
returning true

-- name: recall
-- The answer kept under a key.
select request_hash, status, headers, body from farebox.idempotency where owner = $1 and key = $2

-- name: find
-- The answer kept under a key, if it is young enough.
select request_hash, status, headers, body from farebox.idempotency
 where owner = $1 and key = $2 and created_at_ms > $3::bigint - $4::bigint

-- name: keep
-- Stores the answer of a request that has claimed its key.
update farebox.idempotency set status = $3, headers = $4, body = $5 where owner = $1 and key = $2

-- name: drop
-- Gives a key back whose request did not succeed.
delete from farebox.idempotency where owner = $1 and key = $2
