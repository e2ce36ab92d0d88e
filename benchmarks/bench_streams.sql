-- A crowd in one account of the provider.

-- name: sells
-- Two speeds, ten groups of one package, twenty areas, a collector.
with speeds as (
  insert into isp.bandwidth_template (id, account, name, up_kbps, down_kbps)
  values (1, 'crowd', 'fast', 10240, 10240), (2, 'crowd', 'slow', 512, 512)
), package as (
  insert into isp.profile (id, account, name, policy, created_at_ms, updated_at_ms)
  values (1, 'crowd', 'p', $1, $2, $2)
), groups as (
  insert into isp.user_group (id, account, name, profile)
  select n, 'crowd', 'g' || n, 1 from generate_series(1, 10) n
), areas as (
  insert into isp.area (id, account, name)
  select n, 'crowd', 'a' || n from generate_series(1, 20) n
)
insert into isp.admin (id, account, username) values (1, 'crowd', 'collector')

-- name: crowd
-- Subscribers who have come, and were last changed, in the course of a year.
insert into isp.subscriber
  (id, account, username, user_group, group_since_ms, name, last_name, phone, email,
   address_line1, activated_at_ms, created_at_ms, updated_at_ms, expires_at_ms)
select n, 'crowd', 'user' || n, 1 + n % 10, $2, 'Name ' || n, 'Surname', '555' || n,
       'user' || n || '@example.test', n || ' Long Street', c.at_ms, c.at_ms, c.at_ms + n,
       $2 + (n * 6007 % 31536000) * 1000
  from generate_series(1, $1::bigint) n
  cross join lateral (select $2::bigint - (n * 7919 % 31536000) * 1000 as at_ms) c

-- name: unwatched
-- What follows is right by itself; nothing looks at it row by row.
set session_replication_role = replica

-- name: states
-- A quota, and what was used of it.
insert into isp.quota_state
  (subscriber, kind, window_start_ms, window_end_ms, upload, download, policy, effective_from_ms)
select id, 'bandwidth', $1::bigint - 864000000, $1::bigint + 864000000, id * 10, id * 100, $2, $1
  from isp.subscriber

-- name: cycles
-- A billing cycle.
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms, upload, download)
select id, $1::bigint - id % 20 * 86400000, $1 + (30 - id % 20) * 86400000, 'monthly',
       $1 - id % 20 * 86400000, id * 10, id * 100
  from isp.subscriber

-- name: addresses
-- A fixed address of every fifth.
insert into isp.static_address (account, subscriber, ip)
select 'crowd', id, '10.0.0.0'::inet + id from isp.subscriber where id % 5 = 0 order by id

-- name: homes
-- A home, of most of them in one of the areas.
insert into isp.location (subscriber, latitude, longitude, area)
select id, '13.0', '80.2', nullif(id % 21, 0) from isp.subscriber

-- name: assigned
-- A collector.
insert into isp.collection_assignment (subscriber, admin, assigned_at_ms, area)
select id, 1, $1::bigint, id % 21 from isp.subscriber

-- name: taken
-- A collection that waits.
insert into isp.payment_collection
  (account, subscriber, admin, amount_thousandths, created_at_ms, area)
select 'crowd', id, 1, 1000, $1::bigint, id % 21 from isp.subscriber order by id

-- name: owed
-- What is owed.
insert into isp.ledger_entry (subscriber, kind, amount_thousandths, created_at_ms)
select id, 'charge', 1000 + id % 9000, $1::bigint from isp.subscriber order by id

-- name: renewed
-- A line in the book.
insert into isp.renewal (account, subscriber, type, created_at_ms)
select 'crowd', id, '1', $1::bigint from isp.subscriber order by id

-- name: settle
-- As a database that has been there for a while.
vacuum analyze
