-- One change at a time for a subscriber.

-- name: be_patient
-- How long to wait for a lock in this transaction.
select set_config('lock_timeout', $1, true)

-- name: hold
-- A subscriber's row, locked.
select s.*, s.status as stored_status, isp.effective(s.status, s.expires_at_ms, $3) as effective,
       coalesce(s.time_zone, a.time_zone) as zone
  from isp.subscriber s join isp.account a on a.id = s.account
 where s.account = $1 and s.id = $2
   for update of s
