-- What reports calculate from records (vending-commerce.md 3.14-3.21). Periods come as spans of
-- instants for each zone, worked out from the one time-zone database; PostgreSQL's zones take no
-- part. Sales whose payments are all excluded, and excluded payments, are in no report.
-- Of the calculations, $1 are locations, $2 machines or null for all, $3 to $5 zones and the spans
-- that a period is in them, $6 and $7 the instants around all spans, $8 the most rows. Only $6 and
-- $7 choose rows of an index; spans are compared with an instant `+ 0`, because otherwise all
-- records would be read once for every zone.

-- name: prepare
-- Lets these statements run longer than ordinary ones, and be planned for what they are asked.
select set_config('statement_timeout', '60s', true), set_config('work_mem', '32MB', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: choose
-- The locations that groups $1 see and that are meant, the zones they have been in, and the
-- machines that are meant, null for all. Groups that are not seen mean nothing.
with places as (
  select s.id
    from vending.locations_seen($1::int[]) as s (id)
   where cardinality($4::int[]) + cardinality($5::int[]) = 0
      or s.id = any($4::int[])
      or s.id in (
        select m.location
          from vending.locationgroup_location m
          join vending.locationgroup g on g.id = m.locationgroup
         where g.id = any($5::int[])
           and (g.owner = any($1::int[])
                or exists (select from vending.usergroup_locationgroup a
                            where a.locationgroup = g.id and a.usergroup = any($1::int[])))))
select array(select id from places) as locations,
       array(select distinct z.time_zone from vending.location_zone z
              where z.location in (select id from places)) as zones,
       case when cardinality($2::int[]) + cardinality($3::int[]) > 0 then array(
         select unnest($2::int[])
         union
         select m.machine
           from vending.machinegroup_machine m join vending.machinegroup g on g.id = m.machinegroup
          where g.id = any($3::int[]) and g.owner = any($1::int[])) end as machines

-- name: narrow
-- Those of machines $1 (null for all) that are of one of the models, types and manufacturers; an
-- empty array of these does not narrow.
select array(
  select m.id from vending.machine m
   where ($1::int[] is null or m.id = any($1::int[]))
     and (cardinality($2::int[]) = 0 or m.machine_model = any($2::int[]))
     and (cardinality($3::int[]) = 0 or m.machine_type = any($3::int[]))
     and (cardinality($4::int[]) = 0 or m.manufacturer = any($4::int[])))

-- name: products
-- By product and currency, named as in its newest sale; by name where there is no product.
with sold as (
  select r.product, case when r.product is null then r.name end as own_name, r.currency,
         sum(r.price) as revenue, count(*) filter (where r.price >= 0) as quantity,
         max(array[r.occurred_at_ms, r.id]) as newest
    from unnest($3::text[], $4::bigint[], $5::bigint[]) as w (zone, since_ms, until_ms)
    join vending.revenuetransaction r on r.time_zone = w.zone
     and r.occurred_at_ms + 0 >= w.since_ms and r.occurred_at_ms + 0 < w.until_ms
   where r.occurred_at_ms >= $6 and r.occurred_at_ms < $7
     and r.location = any($1::int[]) and ($2::int[] is null or r.machine = any($2::int[]))
     and not r.excluded
   group by 1, 2, 3
   order by revenue desc, r.product,
            (case when r.product is null then r.name end) collate "C", r.currency
   limit $8)
select s.product, n.name, n.internal_ref, s.revenue, s.quantity, s.currency
  from sold s
  cross join lateral (
    select r.name, r.internal_ref from vending.revenuetransaction r
     where r.id = s.newest[2] and r.occurred_at_ms = s.newest[1] limit 1) n
 order by s.revenue desc, s.product, s.own_name collate "C", s.currency

-- name: payment_types
-- By payment type, report group and currency.
select p.type, count(*) filter (where p.price >= 0) as quantity, sum(p.price) as revenue,
       p.report_group, p.currency
  from unnest($3::text[], $4::bigint[], $5::bigint[]) as w (zone, since_ms, until_ms)
  join vending.paymenttransaction p on p.time_zone = w.zone
   and p.occurred_at_ms + 0 >= w.since_ms and p.occurred_at_ms + 0 < w.until_ms
 where p.occurred_at_ms >= $6 and p.occurred_at_ms < $7
   and p.location = any($1::int[]) and ($2::int[] is null or p.machine = any($2::int[]))
   and not p.exclude
 group by p.type, p.report_group, p.currency
 order by revenue desc, p.type collate "C", p.report_group collate "C", p.currency
 limit $8

-- name: errors
-- By code: how often, and for how many seconds where it can be resolved, until $9 if it is still
-- open and at most until its zone's period ends. A record that clears another is no event. The
-- identity is that of the newest event that has one, in the language of user $10.
with told as (
  select g.code, count(*) as quantity,
         max(array[g.occurred_at_ms, g.id]) filter (where g.error_identity is not null) as newest,
         coalesce(sum((greatest(least(coalesce(g.resolved_at_ms, $9::bigint), w.ends_ms)
                                - g.occurred_at_ms, 0)) / 1000)
                  filter (where g.is_resolvable), 0)::bigint as duration
    from (select s.zone, s.since_ms, s.until_ms,
                 max(s.until_ms) over (partition by s.zone) as ends_ms
            from unnest($3::text[], $4::bigint[], $5::bigint[]) as s (zone, since_ms, until_ms)) w
    join vending.log g on g.time_zone = w.zone
     and g.occurred_at_ms + 0 >= w.since_ms and g.occurred_at_ms + 0 < w.until_ms
   where g.occurred_at_ms >= $6 and g.occurred_at_ms < $7
     and g.location = any($1::int[]) and ($2::int[] is null or g.machine = any($2::int[]))
     and g.state is distinct from 'clear'
   group by g.code
   order by quantity desc, g.code collate "C"
   limit $8)
select t.code, n.error_identity, coalesce(vending.error_word(n.error_identity, $10), t.code),
       t.quantity, t.duration
  from told t
  left join lateral (
    select g.error_identity from vending.log g
     where g.id = t.newest[2] and g.occurred_at_ms = t.newest[1] limit 1) n on true
 order by t.quantity desc, t.code collate "C"

-- name: shift_payments
-- By shift, payment method and type, report group, and currency, so that no sum mixes two; what
-- happened in no shift is apart for each location. Shifts are found by location and number of a
-- stretch of $9 milliseconds.
with spans as (
  select h.location, h.id, h.created_at_ms as since_ms, h.closed_at_ms as until_ms, b.stretch
    from vending.shift h
   cross join lateral generate_series(
     greatest(h.created_at_ms, $6) / $9::bigint,
     (least(coalesce(h.closed_at_ms, $7), $7) - 1) / $9::bigint) as b (stretch)
   where h.location = any($1::int[]) and h.created_at_ms < $7
     and (h.closed_at_ms is null or h.closed_at_ms > $6))
select l.name, p.method, count(*) filter (where p.price >= 0) as quantity, p.report_group,
       sum(p.price) as revenue, coalesce(s.id, 0) as shift, p.type
  from unnest($3::text[], $4::bigint[], $5::bigint[]) as w (zone, since_ms, until_ms)
  join vending.paymenttransaction p on p.time_zone = w.zone
   and p.occurred_at_ms + 0 >= w.since_ms and p.occurred_at_ms + 0 < w.until_ms
  join vending.location l on l.id = p.location
  left join spans s on s.location = p.location and s.stretch = p.occurred_at_ms / $9::bigint
   and s.since_ms <= p.occurred_at_ms
   and (s.until_ms is null or s.until_ms > p.occurred_at_ms)
 where p.occurred_at_ms >= $6 and p.occurred_at_ms < $7
   and p.location = any($1::int[]) and ($2::int[] is null or p.machine = any($2::int[]))
   and not p.exclude
 group by s.id, l.id, p.method, p.type, p.report_group, p.currency
 order by shift, revenue desc, l.name collate "C", p.method collate "C", p.type collate "C",
          p.report_group collate "C", p.currency
 limit $8

-- name: shift_products
-- By shift (found as above), product and currency; the name and barcode are those of the newest
-- sale, and `gross` is what would have been paid without discounts.
with spans as (
  select h.location, h.id, h.created_at_ms as since_ms, h.closed_at_ms as until_ms, b.stretch
    from vending.shift h
   cross join lateral generate_series(
     greatest(h.created_at_ms, $6) / $9::bigint,
     (least(coalesce(h.closed_at_ms, $7), $7) - 1) / $9::bigint) as b (stretch)
   where h.location = any($1::int[]) and h.created_at_ms < $7
     and (h.closed_at_ms is null or h.closed_at_ms > $6)),
sold as (
  select coalesce(s.id, 0) as shift, r.product,
         case when r.product is null then r.name end as own_name, r.currency,
         sum(r.price) as revenue, count(*) filter (where r.price >= 0) as quantity,
         sum(case when r.original_price > 0 then r.original_price else r.price end) as gross,
         max(array[r.occurred_at_ms, r.id]) as newest
    from unnest($3::text[], $4::bigint[], $5::bigint[]) as w (zone, since_ms, until_ms)
    join vending.revenuetransaction r on r.time_zone = w.zone
     and r.occurred_at_ms + 0 >= w.since_ms and r.occurred_at_ms + 0 < w.until_ms
    left join spans s on s.location = r.location and s.stretch = r.occurred_at_ms / $9::bigint
     and s.since_ms <= r.occurred_at_ms
     and (s.until_ms is null or s.until_ms > r.occurred_at_ms)
   where r.occurred_at_ms >= $6 and r.occurred_at_ms < $7
     and r.location = any($1::int[]) and ($2::int[] is null or r.machine = any($2::int[]))
     and not r.excluded
   group by 1, 2, 3, 4
   order by shift, revenue desc, r.product,
            (case when r.product is null then r.name end) collate "C", r.currency
   limit $8)
select s.shift, s.product, n.name, n.barcode, p.report_name, s.quantity, s.revenue, s.gross,
       s.currency
  from sold s
  cross join lateral (
    select r.name, r.barcode from vending.revenuetransaction r
     where r.id = s.newest[2] and r.occurred_at_ms = s.newest[1] limit 1) n
  left join vending.product p on p.id = s.product
 order by s.shift, s.revenue desc, s.product, s.own_name collate "C", s.currency

-- name: log_summary
-- The codes told most often since $3, at most $4, in the language of user $5.
with told as (
  select g.code, count(*) as quantity,
         max(array[g.occurred_at_ms, g.id]) filter (where g.error_identity is not null) as newest
    from vending.log g
   where g.occurred_at_ms >= $3
     and g.location = any($1::int[]) and ($2::int[] is null or g.machine = any($2::int[]))
     and g.state is distinct from 'clear'
   group by g.code
   order by quantity desc, g.code collate "C"
   limit $4)
select t.code, coalesce(vending.error_word(n.error_identity, $5), t.code), t.quantity
  from told t
  left join lateral (
    select g.error_identity from vending.log g
     where g.id = t.newest[2] and g.occurred_at_ms = t.newest[1] limit 1) n on true
 order by t.quantity desc, t.code collate "C"

-- name: transactions
-- Every sale in spans $3 to $4, which lie between $5 and $6, oldest first, payments in one cell;
-- a machine that has gone where groups $7 do not see it has no name.
select r.id, to_timestamp(r.occurred_at_ms / 1000), r.time_zone, r.machine, m.name, r.location,
       l.name, r.product, r.name, r.internal_ref, r.barcode, r.original_price, r.price, r.currency,
       r.salestype, p.methods, p.types, r.token, r.remote
  from unnest($3::bigint[], $4::bigint[]) as w (since_ms, until_ms)
  join vending.revenuetransaction r
    on r.occurred_at_ms >= w.since_ms and r.occurred_at_ms < w.until_ms
  join vending.location l on l.id = r.location
  left join vending.machine m
    on m.id = r.machine and m.location in (select vending.locations_seen($7::int[]))
  left join lateral (
    select string_agg(p.method, '|' order by p.id) as methods,
           string_agg(p.type, '|' order by p.id) as types
      from vending.paymenttransaction p
     where p.revenuetransaction = r.id and p.occurred_at_ms = r.occurred_at_ms
       and not p.exclude) p on true
 where r.occurred_at_ms >= $5 and r.occurred_at_ms < $6
   and r.location = any($1::int[]) and ($2::int[] is null or r.machine = any($2::int[]))
   and not r.excluded
 order by r.occurred_at_ms, r.id

-- name: count_transactions
-- How many sales these are, at most $7.
select count(*) from (
  select from unnest($3::bigint[], $4::bigint[]) as w (since_ms, until_ms)
    join vending.revenuetransaction r
      on r.occurred_at_ms >= w.since_ms and r.occurred_at_ms < w.until_ms
   where r.occurred_at_ms >= $5 and r.occurred_at_ms < $6
     and r.location = any($1::int[]) and ($2::int[] is null or r.machine = any($2::int[]))
     and not r.excluded
   limit $7) as found
