-- Calls to measure their history with: a year of them, in order of time, of many tenants.

-- name: add_tenants
-- A crowded tenant and $1 usual ones, in a handful of zones.
insert into pbx.tenant (id, name, code, time_zone, created_at_ms, updated_at_ms)
select 1000 + g, 'Tenant ' || g, 'Tenant' || g, zones[1 + g % cardinality(zones)], 0, 0
  from generate_series(0, $1) g,
       (select array['UTC', 'Europe/London', 'America/Toronto', 'Asia/Kolkata',
                     'Australia/Sydney'] as zones) z

-- name: add_admin
-- Who asks.
insert into pbx.users (username, password_hash, role, created_at_ms, updated_at_ms)
values ('reader', $1, 'admin', 0, 0)

-- name: known
-- The databases that there are.
select datname from pg_database

-- name: indexes
-- Rows come in faster without indexes, which are made at the end.
select format('drop index %s', i.indexrelid::regclass) as drop,
       pg_get_indexdef(i.indexrelid) as make
  from pg_index i
 where i.indrelid = 'pbx.cdr'::regclass

-- name: add_calls
-- Call number $1 to $2 exclusive, of $3, spread evenly over the year before $4: a fifth are the
-- crowded tenant's, the rest of the $5 others. Half of the calls go out, to one of five hundred
-- numbers of each tenant, and cost something where they were answered.
insert into pbx.cdr
  (id, tenant, uniqueid, sequence, linkedid, start_ms, answer_ms, end_ms, clid, src, realsrc, dst,
   firstdst, lastdst, wherelanded, duration, billsec, disposition, cc_cost, userfield)
select g, tenant, name, 0, name, start_ms, case when spoke then start_ms + 6000 end,
       start_ms + 1000 * (6 + seconds), '"Person ' || src || '" <' || src || '>', src, src, dst,
       dst, dst, case when is_out then 'OUT-1' else 'EXT-' || dst end, 6 + seconds, seconds,
       disposition, case when is_out then seconds * 0.000208 else 0 end,
       case when is_out then '[outbound]' else '[internal]' end
  from (select g, start_ms, start_ms / 1000 || '.' || g as name, tenant, spoke, is_out,
               disposition, (200 + luck / 7 % 60)::text as src,
               case when spoke then luck / 11 % 600 else 0 end as seconds,
               case when is_out then (15140000000 + tenant * 1000 + luck / 13 % 500)::text
                    else (200 + luck / 17 % 60)::text end as dst
          from (select g, luck, ($4 - 31536000000 + g * 31536000000 / $3) / 1000 * 1000 as start_ms,
                       case when luck % 5 = 0 then 1000 else 1001 + luck / 5 % $5 end as tenant,
                       luck / 19 % 1000 < 750 as spoke, luck / 23 % 2 = 0 as is_out,
                       case when luck / 19 % 1000 < 750 then 'ANSWERED'
                            when luck / 19 % 1000 < 900 then 'NO ANSWER'
                            when luck / 19 % 1000 < 980 then 'BUSY'
                            when luck / 19 % 1000 < 999 then 'FAILED'
                            else 'CONGESTION' end as disposition
                  from (select g, hashint8(g)::bigint & 2147483647 as luck
                          from generate_series($1::bigint, $2::bigint - 1) g) l) s) c

-- name: settle
-- Statistics for the planner, and which pages everybody sees.
vacuum (analyze) pbx.cdr

-- name: whole
-- The calls of a tenant between two instants, in order, and their cost.
select array_agg(c.id order by c.start_ms, c.id) as ids, sum(c.cc_cost) as cost
  from pbx.cdr c
 where c.tenant = $1 and c.start_ms >= $2 and c.start_ms < $3

-- name: read
-- Reads months from beginning to end.
select sum(c.duration) from pbx.cdr c where c.start_ms >= $1 and c.start_ms < $2
