-- What is kept for a time only. Every statement takes a bounded bite, so that no transaction is
-- long.

-- name: drop_idempotency
-- Stored answers of requests older than an instant.
delete from farebox.idempotency where ctid = any(array(
  select ctid from farebox.idempotency where created_at_ms < $1 limit $2
))

-- name: drop_tombstones
-- Orders rolled back before they came, once no replay of them can come any more.
delete from voucher.redemption where ctid = any(array(
  select ctid from voucher.redemption where state = 2 and redeemed_at_ms < $1 limit $2
)) and state = 2

-- name: drop_done_jobs
-- Effects that happened long ago; dead ones stay.
delete from farebox.outbox where ctid = any(array(
  select ctid from farebox.outbox where state = 'done' and finished_at_ms < $1 limit $2
)) and state = 'done'

-- name: drop_dead_letters
-- Records of devices that were rejected long ago.
delete from vending.dead_letter where id = any(array(
  select id from vending.dead_letter where created_at_ms < $1 limit $2
))
