-- Integrations and their jobs (vending-platform.md 4.6, 4.10). Whoever stores sales makes the jobs;
-- here they are worked on, by one worker per integration whose turn is compared with every write.

-- name: due
-- Integrations whose oldest open job may be sent now, longest waiting first.
select i.id
  from vending.integration i
  join lateral (
    select j.next_at_ms from vending.integrationjob j
     where j.integration = i.id and j.state in ('pending', 'running')
     order by j.id limit 1) j on j.next_at_ms <= $1
 where i.active and i.state <> 'failed' and i.next_at_ms <= $1 and i.id <> all($2::int[])
 order by i.next_at_ms, i.id
 limit $3

-- name: begin
-- A worker's turn begins; an earlier worker's ends.
update vending.integration i
   set state = 'running', turn = i.turn + 1
  from vending.connector c
 where i.id = $1 and i.active and i.state <> 'failed' and c.id = i.connector
returning i.type, i.turn, i.throttle_ms, i.max_retries, i.retry_throttle_ms, i.stop_on_failure,
          c.url, c.sealed

-- name: wait_ms
-- How long the oldest open job has to wait yet; nothing without one, or when the turn is over.
select greatest(i.next_at_ms, j.next_at_ms) - $3::bigint
  from vending.integration i
  join lateral (
    select j.next_at_ms from vending.integrationjob j
     where j.integration = i.id and j.state in ('pending', 'running')
     order by j.id limit 1) j on true
 where i.id = $1 and i.turn = $2 and i.active and i.state = 'running'

-- name: claim
-- Begin an attempt of the oldest open job, one that a lost worker had begun included.
with held as (
  update vending.integration i set next_at_ms = $3::bigint + i.throttle_ms
   where i.id = $1 and i.turn = $2 and i.active and i.state = 'running'
  returning i.id
), job as (
  update vending.integrationjob j
     set state = 'running', attempts = j.attempts + 1, updated_at_ms = $3
   where j.id = (select o.id from held h
                   join vending.integrationjob o on o.integration = h.id
                  where o.state in ('pending', 'running') order by o.id limit 1)
  returning j.*
)
select j.id as job, j.attempts, coalesce(j.revenuetransaction, j.log) as record, j.occurred_at_ms
  from job j

-- name: sale
-- A sale as it is sent.
select id, remote, price, occurred_at_ms, machine, location, currency, time_zone, name, token,
       salestype, created_at_ms, updated_at_ms
  from vending.revenuetransaction where id = $1 and occurred_at_ms = $2

-- name: log
-- A log as it is sent.
select id, remote, code, error_identity, type, is_resolvable, occurred_at_ms, machine, location,
       duration, extra_data, time_zone, resolved_at_ms, state, created_at_ms
  from vending.log where id = $1 and occurred_at_ms = $2

-- name: settle
-- The end of an attempt, while the turn lasts; the next request keeps its distance from now.
with held as (
  update vending.integration i set next_at_ms = $6::bigint + i.throttle_ms
   where i.id = $1 and i.turn = $2
  returning i.id
)
update vending.integrationjob j
   set state = $4, message = $5, details = $8, next_at_ms = $7, updated_at_ms = $6
  from held h
 where j.id = $3 and j.integration = h.id and j.state = 'running'

-- name: stop
-- A failed job stops the integration, or its worker has nothing more to do.
update vending.integration set state = $3, updated_at_ms = case when $3 = 'failed'
       then $4::bigint else updated_at_ms end
 where id = $1 and turn = $2 and state = 'running'

-- name: retry_failed
-- Failed jobs of an integration may be sent again.
update vending.integrationjob
   set state = 'pending', attempts = 0, next_at_ms = $2, updated_at_ms = $2
 where integration = $1 and state = 'failed'

-- name: defaults
-- What a connector says about the integrations that name it.
select throttle_ms, max_retries, retry_throttle_ms, stop_on_failure
  from vending.connector where id = $1

-- name: forget
-- Jobs that were done long ago; the sale itself stays.
delete from vending.integrationjob
 where id in (select id from vending.integrationjob
               where state = 'success' and updated_at_ms < $1
               order by updated_at_ms limit 10000)
