-- Conditions on records (vending-commerce.md 3.13); `{groups}` and the others are bound by name.

-- name: newest_logs
-- A log `t` that is the newest of a visible machine, or of the one asked for. Machines remember
-- theirs; where it is not seen, because it was told at another's place, the newest seen one counts.
(t.id, t.occurred_at_ms) in (
  select n.id, n.occurred_at_ms
    from (select m.id, m.last_log, m.last_log_at_ms
            from vending.machine m
           where m.location in (select vending.locations_seen({groups}::int[]))
             and m.last_log is not null
             and ({asked}::int is null or m.id = {asked}::int)
           order by m.id limit {machines_max}::bigint) m
   cross join lateral (
     select g.id, g.occurred_at_ms from vending.log g
      where g.machine = m.id and g.occurred_at_ms <= m.last_log_at_ms
        and g.location in (select vending.locations_seen({groups}::int[]))
      order by g.occurred_at_ms desc, g.id desc limit 1) n)
