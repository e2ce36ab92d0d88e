-- What became of requests to the network.

-- name: lock
-- Subscribers in the order of their ids.
select id from isp.subscriber where id = any($1::bigint[]) order by id for update

-- name: applied_templates
-- What sessions hold now.
update isp.session o set applied_template = n.applied
  from unnest($1::bigint[], $2::bigint[]) as n(session, applied) where o.id = n.session

-- name: applied_attributes
-- What sessions hold now.
update isp.session o set applied_attributes = n.applied
  from unnest($1::bigint[], $2::bigint[]) as n(session, applied) where o.id = n.session

-- name: over
-- These sessions have ended.
update isp.session set stopped_at_ms = $2 where id = any($1::bigint[]) and stopped_at_ms is null

-- name: falls_back
-- Whether sessions of a subscriber's account are ended when they cannot be changed.
select a.coa_fallback_disconnect
  from isp.subscriber s join isp.account a on a.id = s.account where s.id = $1

-- name: note
-- Entries of the audit log about requests of our own.
insert into isp.audit (account, credential, client, operation, target, outcome, created_at_ms)
select s.account, '', '', n.operation, n.subscriber::text, n.outcome, $4
  from unnest($1::bigint[], $2::text[], $3::text[]) as n(subscriber, operation, outcome)
  join isp.subscriber s on s.id = n.subscriber

-- name: close
-- Switches that are no longer open.
delete from isp.switch w using unnest($1::bigint[], $2::text[]) as n(subscriber, kind)
 where w.subscriber = n.subscriber and w.kind = n.kind

-- name: finish
-- What became of jobs; a pending one is due again at its instant, after so many attempts.
update farebox.outbox j set
  state = n.state, next_at_ms = coalesce(n.due_ms, j.next_at_ms), error = n.error,
  attempts = case when n.is_new then 0 else j.attempts end,
  finished_at_ms = case when n.state = 'pending' then null else $6::bigint end
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bool[])
  as n(id, state, due_ms, error, is_new)
where j.id = n.id

-- name: sets
-- Overrides' sets of attributes.
select subscriber, attributes from isp.quota_override
 where subscriber = any($1::bigint[]) and kind = 'vendor'
