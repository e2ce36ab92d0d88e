-- The feed of what was written to the sales.

-- name: news
-- What is visible now and was not to an earlier snapshot, beside that of this statement; a row
-- without a transaction if nothing. Without an earlier snapshot nothing is new.
select n.seen::text as seen, n.parts, f.txid::text as txid, f.ids is null as is_unknown,
       s.id is not null and not s.excluded as counts,
       s.occurred_at_ms, s.location, s.time_zone, s.machine, s.name, s.currency, s.price
  from (select pg_current_snapshot() as seen,
               array(select i.inhrelid::bigint from pg_inherits i
                      where i.inhparent = 'vending.revenuetransaction'::regclass) as parts) n
  left join vending.sale_feed f
    on f.txid >= pg_snapshot_xmin($1::text::pg_snapshot)
   and not pg_visible_in_snapshot(f.txid, $1::text::pg_snapshot)
  left join lateral unnest(f.ids, f.instants_ms) as k (id, at_ms) on true
  -- The offset keeps it a look into one partition's index for each sale: as a join, all sales
  -- might be read instead.
  left join lateral (
    select r.* from vending.revenuetransaction r
     where r.id = k.id and r.occurred_at_ms = k.at_ms offset 0) s on true

-- name: clear
-- Removes what is older than so many seconds.
delete from vending.sale_feed f where f.told_at < now() - make_interval(secs => $1::float8)
