-- Effects that leave the building, as rows. A worker claims a job with a session lock on its
-- number, so that a claim ends with the connection of a worker that died and needs no clock.

-- name: put
-- One effect, in the transaction that wants it.
insert into farebox.outbox (kind, payload, next_at_ms, created_at_ms)
values ($1, $2, $3, $4) returning id

-- name: lock_due
-- Numbers of due jobs that nobody else works on, now locked for this session.
select id from (
  select id from farebox.outbox
  where state = 'pending' and next_at_ms <= $1
    and kind = any($2::text[]) and id <> all($3::bigint[])
  order by next_at_ms, id
  limit 200
) due
where pg_try_advisory_lock(7900000000000000000 + id)
limit $4

-- name: claim
-- Begin an attempt of the locked jobs that are still due: the lock may have come just after the end
-- of somebody else's attempt.
with still as (
  select id from farebox.outbox
  where id = any($1::bigint[]) and state = 'pending' and next_at_ms <= $2
  order by id for update skip locked
)
update farebox.outbox o set attempts = attempts + 1
from still where o.id = still.id
returning o.id, o.kind, o.payload, o.attempts

-- name: unlock
-- Give claims back.
select pg_advisory_unlock(7900000000000000000 + id) from unnest($1::bigint[]) as id

-- name: done
-- The effect happened. What a mail said is forgotten with it: it may have held a token.
update farebox.outbox set
  state = 'done', finished_at_ms = $2, error = null,
  payload = case kind when 'mail' then payload - 'text' - 'html' else payload end
where id = $1

-- name: retry
-- The attempt failed; another one follows.
update farebox.outbox set next_at_ms = $2, error = $3 where id = $1

-- name: dead
-- No further attempt: the job stays visible until somebody revives it.
update farebox.outbox set state = 'dead', finished_at_ms = $2, error = $3 where id = $1

-- name: revive
-- Try dead jobs of these numbers again, as if new.
update farebox.outbox set state = 'pending', attempts = 0, next_at_ms = $2, finished_at_ms = null
where id = any($1::bigint[]) and state = 'dead'
returning id

-- name: counts
-- How many jobs of each kind are in each state, and the oldest of them.
select kind, state, count(*) as jobs, min(created_at_ms) as oldest_ms
from farebox.outbox group by kind, state order by kind, state

-- name: next_due
-- When the next job of these kinds becomes due.
select min(next_at_ms) from farebox.outbox
where state = 'pending' and kind = any($1::text[])
