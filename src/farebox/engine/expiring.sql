-- Who has expired.

-- name: take
-- Some whose status does not say yet that they have expired.
select id, after_action from isp.subscriber
 where status = 'active' and expires_at_ms <= $1
 order by id limit $2 for update skip locked

-- name: expire
-- Their status says it.
update isp.subscriber set status = 'expired' where id = any($1::bigint[])

-- name: end
-- Jobs that end the open sessions of each.
insert into farebox.outbox (kind, payload, next_at_ms, created_at_ms)
select $2,
       jsonb_build_object('subscriber', o.subscriber, 'sessions', jsonb_agg(o.id order by o.id)),
       $3, $3
  from isp.session o
 where o.subscriber = any($1::bigint[]) and o.stopped_at_ms is null and o.nas is not null
 group by o.subscriber
