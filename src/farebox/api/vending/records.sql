-- What machines told last (vending-commerce.md 3.13).

-- name: among
-- A condition: a log `t` that is one of these.
(t.id, t.occurred_at_ms) in (select * from unnest({ids}::bigint[], {ats}::bigint[]))

-- name: newest_logs
-- The newest log that groups $1 see of each machine that they see, or of machine $2, for at most $3
-- machines. Machines remember theirs; where it was told at another's place, an older one counts.
with seen as materialized (select vending.locations_seen($1::int[]) as id),
machines as (
  select m.id, m.last_log, m.last_log_at_ms
    from vending.machine m join seen s on s.id = m.location
   where m.last_log is not null and ($2::int is null or m.id = $2)
   order by m.id limit $3)
select n.id, n.occurred_at_ms
  from machines m
 cross join lateral (
   -- `is true` keeps the places a set that is made once, and `limit` the second part for few.
   select g.id, g.occurred_at_ms
     from vending.log g
    where g.id = m.last_log and g.occurred_at_ms = m.last_log_at_ms
      and (g.location in (select id from seen)) is true
   union all
   (select g.id, g.occurred_at_ms
      from vending.log g
     where g.machine = m.id and g.occurred_at_ms <= m.last_log_at_ms
       and (g.location in (select id from seen)) is true
     order by g.occurred_at_ms desc, g.id desc limit 1)
   limit 1) n
