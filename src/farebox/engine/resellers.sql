-- Resellers (iptv.md 3.12).

-- name: read
-- Some or all.
select id, name, max_users, use_ip_ranges, created_at_ms, modified_at_ms from iptv.reseller
 where $1::text[] is null or id::text = any($1) order by id

-- name: hold
-- One, locked.
select id from iptv.reseller where id::text = $1 for update

-- name: hold_name
-- One transaction at a time gives a name away.
select pg_advisory_xact_lock(hashtextextended('iptv reseller ' || $1, 0))

-- name: is_taken
-- Whether another has a name.
select exists (select from iptv.reseller where name = $1 and id <> $2)

-- name: add
-- A new one.
insert into iptv.reseller (name, max_users, use_ip_ranges, created_at_ms, modified_at_ms)
values ($1, $2, $3, $4, $4)

-- name: change
-- Other values; the time changes only with one of them.
update iptv.reseller
   set name = coalesce($2, name), max_users = coalesce($3, max_users),
       use_ip_ranges = coalesce($4, use_ip_ranges), modified_at_ms = $5
 where id = $1
   and (name, max_users, use_ip_ranges)
       <> (coalesce($2, name), coalesce($3, max_users), coalesce($4, use_ip_ranges))

-- name: remove
-- One of them.
delete from iptv.reseller where id::text = $1 returning id
