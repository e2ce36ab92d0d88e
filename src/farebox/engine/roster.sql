-- Everybody of an account with what he uses.

-- name: figures
-- The terms in force, the written figures and the present cycle, of subscribers.
select r.subscriber, r.policy::text as policy, r.is_settled, r.billing_reset_type,
       r.window_start_ms, r.window_end_ms, r.upload, r.download, r.topup, r.carried,
       c.reset_type as cycle_type, c.start_ms as cycle_start_ms, c.end_ms as cycle_end_ms,
       c.anchor_ms as cycle_anchor_ms, c.upload as cycle_upload, c.download as cycle_download
  from isp.quota_row r
  left join lateral (
    select * from isp.cycle where subscriber = r.subscriber and start_ms <= $2
     order by start_ms desc limit 1) c on true
 where r.subscriber = any($1::bigint[]) and r.kind = 'bandwidth'
