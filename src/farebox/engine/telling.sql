-- Telling the network what has changed: which jobs are due, whom they concern, what became of them.

-- name: lead
-- Whether this connection is the one that tells the network, as long as it lives.
select pg_try_advisory_lock(79, 3)

-- name: claim
-- Begins an attempt of due jobs of these kinds ($2) but those under way ($3) and those that would
-- have to wait for a device ($4).
with due as (
  select j.id from farebox.outbox j
   where j.state = 'pending' and j.next_at_ms <= $1 and j.kind = any($2::text[])
     and j.id <> all($3::bigint[])
     and (cardinality($4::bigint[]) = 0 or not exists (
       select from isp.session o
        where o.subscriber = (j.payload->>'subscriber')::bigint and o.stopped_at_ms is null
          and o.nas = any($4::bigint[])))
   order by j.next_at_ms, j.id limit $5
)
update farebox.outbox j set attempts = j.attempts + 1 from due where j.id = due.id
returning j.id, j.kind, j.payload, j.attempts

-- name: templates
-- Speeds.
select * from isp.bandwidth_template where id = any($1::bigint[])
