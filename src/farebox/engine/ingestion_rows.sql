-- What changes with new records (vending-platform.md 4.8, 4.9, 4.10).

-- name: tell_sales
-- Tells those who hold sales in memory which ones are new.
select vending.tell_sales($1, $2)

-- name: find_products
-- Products, flavours and extras by their numbers.
select p.id, p.machine, p.plu, p.name, p.internal_ref, p.barcode
  from unnest($1::int[], $2::int[]) as a (machine, plu)
  join vending.product p on p.machine = a.machine and p.plu = a.plu

-- name: tell_prices
-- What machines asked for products, unless a later sale has told already.
update vending.product p
   set remote_price = w.price, remote_price_at_ms = w.at_ms
  from unnest($1::int[], $2::int[], $3::bigint[]) as w (id, price, at_ms)
 where p.id = w.id and w.at_ms >= coalesce(p.remote_price_at_ms, -1)

-- name: extend_shifts
-- First and last sale of the shifts that the sales fall into, closed ones included.
with sold as (
  select * from unnest($1::bigint[], $2::int[], $3::bigint[]) as s (id, location, at_ms)
), bounds as (
  select h.id as shift,
         min(s.at_ms) as first_at_ms, max(s.at_ms) as last_at_ms,
         (array_agg(s.id order by s.at_ms, s.id))[1] as first_id,
         (array_agg(s.id order by s.at_ms desc, s.id desc))[1] as last_id
    from sold s
    join vending.shift h
      on h.location = s.location and h.created_at_ms <= s.at_ms
     and (h.closed_at_ms is null or s.at_ms < h.closed_at_ms)
   group by h.id
)
update vending.shift h
   set first_transaction = case when n.earlier then b.first_id else h.first_transaction end,
       first_at_ms = case when n.earlier then b.first_at_ms else h.first_at_ms end,
       last_transaction = case when n.later then b.last_id else h.last_transaction end,
       last_at_ms = case when n.later then b.last_at_ms else h.last_at_ms end,
       updated_at_ms = $4
  from bounds b
 cross join lateral (
   select o.first_at_ms is null
            or (b.first_at_ms, b.first_id) < (o.first_at_ms, o.first_transaction) as earlier,
          o.last_at_ms is null
            or (b.last_at_ms, b.last_id) > (o.last_at_ms, o.last_transaction) as later
     from vending.shift o where o.id = b.shift) n
 where h.id = b.shift and (n.earlier or n.later)

-- name: make_jobs
-- One job for each record and active integration of type $6 whose group sees the record's place.
with recursive place as (
  select distinct p.location from unnest($3::int[]) as p (location)
), above as (
  select p.location, g.id, g.parent
    from place p
    join lateral (
      select l.owner as id from vending.location l where l.id = p.location
      union
      select a.usergroup from vending.usergroup_location a where a.location = p.location
      union
      select a.usergroup
        from vending.locationgroup_location c
        join vending.usergroup_locationgroup a on a.locationgroup = c.locationgroup
       where c.location = p.location) s on true
    join vending.usergroup g on g.id = s.id
  union
  select a.location, g.id, g.parent from above a join vending.usergroup g on g.id = a.parent
)
insert into vending.integrationjob
  (integration, machine, revenuetransaction, log, occurred_at_ms, next_at_ms, created_at_ms,
   updated_at_ms)
select i.id, s.machine,
       case i.type when 'httptransactions' then s.id end, case i.type when 'httplogs' then s.id end,
       s.at_ms, $5::bigint, $5::bigint, $5::bigint
  from unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[])
       as s (id, machine, location, at_ms)
  join (select distinct a.location, a.id from above a) a on a.location = s.location
  join vending.integration i on i.owner = a.id and i.active and i.type = $6
 order by i.id, s.id
on conflict do nothing

-- name: find_identities
-- What error codes mean at machines.
select a.machine, a.code, vending.error_identity_of(a.machine, a.code) as error_identity
  from unnest($1::int[], $2::text[]) as a (machine, code)

-- name: find_entries
-- Of each machine and code: resolvable and clearing logs since an instant, and of those open then
-- the newest, as many as can be cleared since.
with asked as (
  select * from unnest($1::int[], $2::text[], $3::bigint[]) as a (machine, code, since_ms)
), later as (
  select g.machine, g.code, g.id, g.occurred_at_ms, g.remote,
         g.state is not distinct from 'clear' as is_clearing, g.resolved_at_ms
    from asked a
    join vending.log g
      on g.machine = a.machine and g.occurred_at_ms >= a.since_ms and g.code = a.code
   where g.remote is not null and (g.is_resolvable or g.state = 'clear')
)
select * from later
union all
select e.*
  from asked a
  join lateral (
    select count(*) as clearing from later l
     where l.machine = a.machine and l.code = a.code and l.is_clearing) n on n.clearing > 0
  join lateral (
    (select g.machine, g.code, g.id, g.occurred_at_ms, g.remote, false, g.resolved_at_ms
       from vending.log g
      where g.machine = a.machine and g.code = a.code and g.occurred_at_ms < a.since_ms
        and g.is_resolvable and g.resolved_at_ms is null and g.remote is not null
      order by g.occurred_at_ms desc, g.remote desc
      limit n.clearing)
    union all
    select g.machine, g.code, g.id, g.occurred_at_ms, g.remote, false, g.resolved_at_ms
      from vending.log g
     where g.machine = a.machine and g.code = a.code and g.occurred_at_ms < a.since_ms
       and g.resolved_at_ms >= a.since_ms and g.remote is not null) e on true

-- name: resolve
-- Resolves logs, or opens them again.
update vending.log g
   set resolved_at_ms = w.resolved_at_ms, duration = w.duration
  from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[])
       as w (id, at_ms, resolved_at_ms, duration)
 where g.id = w.id and g.occurred_at_ms = w.at_ms
