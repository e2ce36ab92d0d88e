-- Who is to be told that the quota is nearly used up.

-- name: accounts
-- Accounts that want their subscribers told.
select * from isp.account where usage_alerts <> 'none' order by id

-- name: stretch
-- The last id of so many subscribers of an account after an id; nothing after the last of them.
select max(id) from (
  select id from isp.subscriber where account = $1 and id > $2 order by id limit $3) stretch

-- name: likely
-- Those of a stretch ($2, $3) whose bytes, however they count, may have reached a level that they
-- were not told of.
select q.subscriber
  from isp.subscriber s
  join isp.account a on a.id = s.account
  join isp.quota_state q on q.subscriber = s.id and q.kind = 'bandwidth'
 where s.account = $1 and s.id > $2 and s.id <= $3 and s.status = 'active'
   and q.alerted < 2 and q.window_end_ms > $4 and q.policy ->> 'mode' <> 'always'
   and (q.upload + q.download) * 100.0 >= a.alert_thresholds[1 + q.alerted]
     * greatest(0, (q.policy ->> 'limit')::bigint + q.carried + q.topup)
 order by q.subscriber

-- name: mark
-- A level of the window ($2) is told; nothing when it was.
update isp.quota_state set alerted = $3
 where subscriber = $1 and kind = 'bandwidth' and window_start_ms = $2 and alerted < $3
returning true
