-- Months of the tables that grow with time; the work is in farebox.make_month.

-- name: patience
-- Wait this long for the locks, in milliseconds; inserts queue behind a waiting lock.
select set_config('lock_timeout', $1, true), set_config('statement_timeout', '0', true)

-- name: lock
-- One process at a time makes months.
select pg_advisory_xact_lock(79, 2)

-- name: make_month
-- One month of one table: there, made or crowded.
select farebox.make_month($1::text::regclass, $2::text::regclass, $3, $4, $5, $6)

-- name: hold_records
-- Records of devices stay in the partitions where they are.
lock table only vending.revenuetransaction, only vending.paymenttransaction, only vending.log,
  only vending.iotevent in access share mode

-- name: hold_history
-- The history of vouchers stays in the partitions where it is.
lock table only voucher.history in access share mode
