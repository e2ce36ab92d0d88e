-- Batches from devices (vending-platform.md 4.8). Everything of a batch happens under the locks of
-- its machines.

-- name: lock_machines
-- The gateway and those of the named machines that report through it, locked in the order of ids;
-- their places are held, so that no shift begins or ends there meanwhile.
select m.id, lower(m.hostname) as name_key, m.location, m.machine_model,
       m.revenuetransaction_synced, m.log_synced, m.iotevent_synced,
       l.time_zone, l.active_shift, c.code as currency, p.report_rule, p.payment_types_map,
       exists (select from vending.integration i where i.active) as is_integrated
  from vending.machine m
  join vending.location l on l.id = m.location
  join vending.currency c on c.id = m.currency
  left join vending.transactionprofile p on p.id = m.transaction_profile
 where lower(m.hostname) = any($2::text[]) and (m.id = $1::int or m.gateway = $1::int)
 order by m.id
   for no key update of m for share of l

-- name: claim_sales
-- Keys that nobody had, with the ids that their rows will get.
insert into vending.ingest_key (machine, stream, remote, hash, row_id)
select k.machine, 1, k.remote, k.hash, nextval('vending.revenuetransaction_id')
  from unnest($1::int[], $2::bigint[], $3::bigint[]) as k (machine, remote, hash)
on conflict do nothing
returning machine, remote, row_id

-- name: claim_logs
-- The same for logs.
insert into vending.ingest_key (machine, stream, remote, hash, row_id)
select k.machine, 2, k.remote, k.hash, nextval('vending.log_id')
  from unnest($1::int[], $2::bigint[], $3::bigint[]) as k (machine, remote, hash)
on conflict do nothing
returning machine, remote, row_id

-- name: claim_events
-- The same for events.
insert into vending.ingest_key (machine, stream, remote, hash, row_id)
select k.machine, 3, k.remote, k.hash, nextval('vending.iotevent_id')
  from unnest($1::int[], $2::bigint[], $3::bigint[]) as k (machine, remote, hash)
on conflict do nothing
returning machine, remote, row_id

-- name: find_conflicts
-- Those of the records that are stored with another content.
select k.machine, k.remote
  from unnest($2::int[], $3::bigint[], $4::bigint[]) as k (machine, remote, hash)
  join vending.ingest_key s
    on s.machine = k.machine and s.stream = $1::smallint and s.remote = k.remote
 where s.hash <> k.hash

-- name: move_sales
-- Moves cursors and the newest sale forward, never back.
update vending.machine m
   set revenuetransaction_synced = greatest(m.revenuetransaction_synced, w.synced),
       last_revenuetransaction =
         case when n.newer then w.last_row else m.last_revenuetransaction end,
       last_revenuetransaction_at_ms =
         case when n.newer then w.at_ms else m.last_revenuetransaction_at_ms end,
       last_sold_id = case when n.newer
         then (select s.product from vending.revenuetransaction s
                where s.id = w.last_row and s.occurred_at_ms = w.at_ms)
         else m.last_sold_id end
  from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[])
       as w (machine, synced, last_row, at_ms)
 cross join lateral (
   select (w.at_ms, w.last_row) > (coalesce(o.last_revenuetransaction_at_ms, -1),
                                   coalesce(o.last_revenuetransaction, 0)) as newer
     from vending.machine o where o.id = w.machine) n
 where m.id = w.machine and (n.newer or w.synced > m.revenuetransaction_synced)

-- name: move_logs
-- The same for logs.
update vending.machine m
   set log_synced = greatest(m.log_synced, w.synced),
       last_log = case when n.newer then w.last_row else m.last_log end,
       last_log_at_ms = case when n.newer then w.at_ms else m.last_log_at_ms end
  from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[])
       as w (machine, synced, last_row, at_ms)
 cross join lateral (
   select (w.at_ms, w.last_row) > (coalesce(o.last_log_at_ms, -1), coalesce(o.last_log, 0))
            as newer
     from vending.machine o where o.id = w.machine) n
 where m.id = w.machine and (n.newer or w.synced > m.log_synced)

-- name: move_events
-- The same for events.
update vending.machine m
   set iotevent_synced = greatest(m.iotevent_synced, w.synced),
       last_iotevent = case when n.newer then w.last_row else m.last_iotevent end,
       last_iotevent_at_ms = case when n.newer then w.at_ms else m.last_iotevent_at_ms end
  from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[])
       as w (machine, synced, last_row, at_ms)
 cross join lateral (
   select (w.at_ms, w.last_row) > (coalesce(o.last_iotevent_at_ms, -1),
                                   coalesce(o.last_iotevent, 0)) as newer
     from vending.machine o where o.id = w.machine) n
 where m.id = w.machine and (n.newer or w.synced > m.iotevent_synced)

-- name: bury
-- Keeps rejected records, each once.
insert into vending.dead_letter
  (gateway, stream, created_at_ms, machine, remote, hash, reason, record)
select $1::int, $2::smallint, $3::bigint, d.machine, d.remote, d.hash, d.reason, d.record
  from unnest($4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
       as d (machine, remote, hash, reason, record)
on conflict do nothing
