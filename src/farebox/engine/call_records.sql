-- Call records of the hosted PBX (pbx.md 3.10, 4.3).

-- name: visible
-- The tenants whose calls a caller sees, or the one of a code.
select t.id, t.time_zone from pbx.tenant t
 where ($1 = '' or lower(t.code) = lower($1))
   and ($2::bool or t.id in (select m.tenant from pbx.user_tenant m where m.person = $3))

-- name: history
-- A page of calls, each tenant's within its own span of instants: of every tenant as many as the
-- page may hold, in the order of their index, and of those the first. Every filter is a condition
-- on that index, whether it lets everything through or not. The bounds around all spans let the
-- months before and after them be left alone.
select c.*, t.code, t.time_zone
  from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as s (tenant, from_ms, until_ms)
  join pbx.tenant t on t.id = s.tenant
 cross join lateral (
       select * from pbx.cdr c
        where c.tenant = s.tenant and c.start_ms >= s.from_ms and c.start_ms < s.until_ms
          and c.start_ms >= $4::bigint and c.start_ms < $5::bigint
          and c.disposition = any ($6::text[])
          and c.cc_cost >= $7::numeric and c.cc_cost <= $8::numeric
          and (c.start_ms, c.id) > ($9::bigint, $10::bigint)
        order by c.start_ms, c.id
        limit $11) as c
 order by c.start_ms, c.id
 limit $11

-- name: history_of_numbers
-- The same of calls to some numbers, each looked up by itself.
select c.*, t.code, t.time_zone
  from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as s (tenant, from_ms, until_ms)
  join pbx.tenant t on t.id = s.tenant
 cross join unnest($12::text[]) as d (number)
 cross join lateral (
       select * from pbx.cdr c
        where c.tenant = s.tenant and c.firstdst = d.number
          and c.start_ms >= s.from_ms and c.start_ms < s.until_ms
          and c.start_ms >= $4::bigint and c.start_ms < $5::bigint
          and c.disposition = any ($6::text[])
          and c.cc_cost >= $7::numeric and c.cc_cost <= $8::numeric
          and (c.start_ms, c.id) > ($9::bigint, $10::bigint)
        order by c.start_ms, c.id
        limit $11) as c
 order by c.start_ms, c.id
 limit $11

-- name: history_of_many
-- The same for somebody who sees many tenants: calls in order of time, each looked at for whether
-- it is within the span of its tenant's zone, until the page is full.
select c.*, t.code, t.time_zone
  from (select * from pbx.cdr c
         where c.tenant = any ($1::bigint[])
           and c.start_ms >= $4::bigint and c.start_ms < $5::bigint
           and c.disposition = any ($6::text[])
           and c.cc_cost >= $7::numeric and c.cc_cost <= $8::numeric
           and (c.start_ms, c.id) > ($9::bigint, $10::bigint)
           and (select c.start_ms >= s.from_ms and c.start_ms < s.until_ms
                  from pbx.tenant t
                  join unnest($12::text[], $2::bigint[], $3::bigint[])
                    as s (zone, from_ms, until_ms) on s.zone = t.time_zone
                 where t.id = c.tenant)
         order by c.start_ms, c.id
         limit $11) as c
  join pbx.tenant t on t.id = c.tenant
 order by c.start_ms, c.id

-- name: signing_key
-- What cursors are signed with.
select key from pbx.signing_key

-- name: by_codes
-- Tenants by their codes in small letters.
select lower(code) as code, id, time_zone from pbx.tenant where lower(code) = any ($1::text[])

-- name: claim
-- The place of each key, locked: a new one, or where its record is.
insert into pbx.cdr_key as k (tenant, uniqueid, sequence, start_ms, id)
select g.tenant, g.uniqueid, g.sequence, g.start_ms, nextval('pbx.cdr_id')
  from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
    with ordinality as g (tenant, uniqueid, sequence, start_ms, number)
 order by g.number
on conflict (tenant, uniqueid, sequence) do update set sequence = excluded.sequence
returning k.tenant, k.uniqueid, k.sequence, k.start_ms, k.id, k.xmax = 0 as is_new

-- name: stored
-- The records at these places.
select c.* from pbx.cdr c
  join unnest($1::bigint[], $2::bigint[]) as g (id, start_ms)
    on c.id = g.id and c.start_ms = g.start_ms

-- name: remove
-- Takes away what is to be replaced.
delete from pbx.cdr c where c.id = any ($1::bigint[]) and c.start_ms = any ($2::bigint[])

-- name: add
-- The records, new ones and those in another's place.
insert into pbx.cdr select * from jsonb_populate_recordset(null::pbx.cdr, $1::jsonb)

-- name: move_keys
-- Where replaced records are now.
update pbx.cdr_key k set start_ms = g.start_ms
  from jsonb_populate_recordset(null::pbx.cdr, $1::jsonb) as g
 where k.tenant = g.tenant and k.uniqueid = g.uniqueid and k.sequence = g.sequence
