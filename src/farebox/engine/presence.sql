-- Who was heard of, and the status that follows (vending-platform.md 4.4). The first block is of
-- conditions on a machine `t`, whose values are bound where they are used.

-- name: offline
-- Active, subscribed, and neither made nor heard of lately; behind a gateway the gateway counts.
(t.active and t.has_subscription
 and {now_ms}::bigint - greatest(t.created_at_ms, coalesce(case
       when t.gateway is null then t.last_seen_ms
       else (select g.last_seen_ms from vending.machine g where g.id = t.gateway) end, 0))
     > {offline_after_ms}::bigint)

-- name: alarm
-- Some observer fires.
exists (select from vending.alertobserver_machine w
        where w.machine = t.id and w.fired_at_ms is not null)

-- name: issue
-- A log is open that is not of cleaning.
exists (select from vending.log g left join vending.erroridentity e on e.id = g.error_identity
        where g.machine = t.id and g.is_resolvable and g.resolved_at_ms is null
          and g.code <> 'CM_OFFLINE'
          and g.code not ilike '%clean%' and coalesce(e.error, '') not ilike '%clean%')

-- name: open
-- A log is open.
exists (select from vending.log g
        where g.machine = t.id and g.is_resolvable and g.resolved_at_ms is null
          and g.code <> 'CM_OFFLINE')

-- name: fires_at
-- Of an observer `t`: it fires at a machine.
exists (select from vending.alertobserver_machine w
        where w.alertobserver = t.id and w.machine = {machine}::int and w.fired_at_ms is not null)

-- name: detect
-- Opens a log for machines that are offline and not known to be; nobody is waited for.
with late as materialized (
  select m.id, m.location, l.time_zone,
         greatest(m.created_at_ms, coalesce(m.last_seen_ms, 0)) as base_ms
    from vending.machine m join vending.location l on l.id = m.location
   where m.active and m.has_subscription and m.offline_log is null and m.gateway is null
     and greatest(m.created_at_ms, coalesce(m.last_seen_ms, 0)) < $1::bigint - $2::bigint
   limit $3
     for no key update of m skip locked
), late_behind as materialized (
  select m.id, m.location, l.time_zone,
         greatest(m.created_at_ms, coalesce(g.last_seen_ms, 0)) as base_ms
    from vending.machine g
    join vending.machine m on m.gateway = g.id
    join vending.location l on l.id = m.location
   where m.active and m.has_subscription and m.offline_log is null
     and greatest(m.created_at_ms, coalesce(g.last_seen_ms, 0)) < $1::bigint - $2::bigint
   limit $3
     -- The gateway must not be heard of between this look and the write.
     for no key update of m skip locked for share of g skip locked
), found as materialized (
  -- Sorting completes both looks before the first write, which would hide a gateway's row.
  select f.*, nextval('vending.log_id') as log
    from (select * from late union all select * from late_behind order by id) f
), opened as (
  insert into vending.log (id, machine, location, time_zone, occurred_at_ms, code, error_identity,
                           type, is_resolvable, created_at_ms)
  select f.log, f.id, f.location, f.time_zone, f.base_ms, 'CM_OFFLINE',
         vending.error_identity_of(f.id, 'CM_OFFLINE'), 1, true, $1
    from found f
)
update vending.machine m
   set offline_log = f.log,
       last_log = case when (coalesce(m.last_log_at_ms, 0), coalesce(m.last_log, 0))
                            < (f.base_ms, f.log) then f.log else m.last_log end,
       last_log_at_ms = greatest(coalesce(m.last_log_at_ms, 0), f.base_ms)
  from found f
 where m.id = f.id
returning m.id, f.log, f.location, f.base_ms

-- name: contact
-- Gateways were heard of, each at an instant: logs of their being offline end, also those of the
-- machines behind them. Within $3 of the last time nothing is written.
with heard as materialized (
  select h.gateway, max(h.at_ms) as at_ms
    from unnest($1::int[], $2::bigint[]) as h (gateway, at_ms) group by h.gateway
), held as materialized (
  select m.id, m.offline_log, h.at_ms
    from heard h
    join vending.machine m
      on m.id = any (array (select h.gateway union all
                            select b.id from vending.machine b
                             where b.gateway = h.gateway and b.offline_log is not null))
   where m.offline_log is not null or coalesce(m.last_seen_ms, 0) <= h.at_ms - $3::bigint
   order by m.id
     for no key update of m
), seen as (
  update vending.machine m
     set last_seen_ms = case when m.gateway is null then greatest(h.at_ms, m.last_seen_ms)
                             else m.last_seen_ms end,
         offline_log = null
    from held h where m.id = h.id
)
update vending.log g
   set resolved_at_ms = greatest(h.at_ms, g.occurred_at_ms),
       duration = greatest(h.at_ms - g.occurred_at_ms, 0) / 1000
  from held h
 where g.id = h.offline_log and g.resolved_at_ms is null
returning g.machine
