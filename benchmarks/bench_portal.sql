-- A portal with many boxes.

-- name: fill
-- Accounts $1, each signed in with the token `box-<id>`, with the tariff plan of everybody.
insert into iptv.account
  (mac, login, full_name, ls, ip, device_id, token_hash, token_expires_at_ms, created_at_ms)
select upper(concat_ws(':', '00', '1a', '79', lpad(to_hex(i / 65536), 2, '0'),
                       lpad(to_hex(i / 256 % 256), 2, '0'), lpad(to_hex(i % 256), 2, '0'))),
       'box' || i, 'Box number ' || i, i::text, '127.0.0.1', repeat('0', 32),
       sha256(('box-' || i)::bytea), 4102444800000, 0
  from generate_series(1, $1::int) i

-- name: fill_offers
-- What they may watch.
insert into iptv.tariff (id, external_id, name, user_default) values (1, 'FULL', 'Full', true)

-- name: settle
-- Statistics and visibility as they are in a database that has stood for a while.
vacuum analyze iptv.account

-- name: written
-- Rows written to a table so far.
select n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables
 where schemaname = 'iptv' and relname = $1

-- name: events
-- Events by whether they were sent.
select count(*) as queued, count(sent_at_ms) as sent, count(distinct account) as accounts
  from iptv.event

-- name: forget
-- What an earlier run has left.
truncate iptv.event

-- name: empty
-- The planner knows that there is nothing.
vacuum analyze iptv.event
