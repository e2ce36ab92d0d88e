-- How long subscribers may use the network.

-- name: extend
-- Another expiry; who was stored as expired is active again.
update isp.subscriber set
  expires_at_ms = $2, updated_at_ms = $3,
  status = case status when 'expired' then 'active' else status end
where id = $1

-- name: add
-- A line in the book.
insert into isp.renewal
  (account, subscriber, admin_username, renewal_days, type, previous_group, present_group,
   active_since, active_until, notes, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: list
-- Lines of the book after an id.
select r.*, coalesce(s.time_zone, a.time_zone) as time_zone
  from isp.renewal r
  join isp.subscriber s on s.id = r.subscriber
  join isp.account a on a.id = r.account
 where r.account = $1 and ($2::bigint is null or r.subscriber = $2)
   and ($3::bigint is null or r.created_at_ms >= $3)
   and ($4::bigint is null or r.created_at_ms < $4) and r.id > $5
 order by r.id limit $6
