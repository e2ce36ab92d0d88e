-- Many accounts at once (iptv.md 3.14).

-- name: allow_long
-- A statement about thousands of rows may take a while.
select set_config('statement_timeout', '60s', true)

-- name: known
-- Accounts by login, or by address where a row has no login.
select w.place, a.id
  from unnest($1::text[]) with ordinality w (login, place)
  join iptv.account a on a.login <> '' and lower(a.login) = lower(w.login)
union all
select w.place, a.id
  from unnest($1::text[], $2::text[]) with ordinality w (login, mac, place)
  join iptv.account a on a.mac <> '' and a.mac = w.mac
 where w.login = ''

-- name: read
-- Accounts that are locked, as they are stored.
select id, mac, login, password_hash, full_name, phone, ls, tariff, tariff_expires_at_ms,
       tariff_afterwards, status, additional_services_on, comment, account_balance, end_at_ms,
       reseller, stb_sn, stb_type
  from iptv.account where id = any($1::bigint[])

-- name: holders
-- Who has some addresses.
select mac, id from iptv.account where mac <> '' and mac = any($1::text[])

-- name: days
-- How long tariff plans last.
select id, days_to_expires from iptv.tariff where id = any($1::bigint[])

-- name: hold_resellers
-- Resellers, locked.
select id from iptv.reseller where id = any($1::bigint[]) order by id for update

-- name: crowded
-- Those of them that have more accounts than they may.
select r.id from iptv.reseller r
 where r.id = any($1::bigint[]) and r.max_users > 0
   and (select count(*) from iptv.account a where a.reseller = r.id) > r.max_users

-- name: add
-- New accounts.
insert into iptv.account
  (mac, login, password_hash, full_name, phone, ls, tariff, tariff_expires_at_ms,
   tariff_afterwards, status, additional_services_on, comment, account_balance, end_at_ms,
   reseller, stb_sn, stb_type, created_at_ms)
select r.mac, r.login, r.password_hash, r.full_name, r.phone, r.ls, r.tariff,
       r.tariff_expires_at_ms, r.tariff_afterwards, r.status, r.additional_services_on, r.comment,
       r.account_balance, r.end_at_ms, r.reseller, r.stb_sn, r.stb_type, $2
  from jsonb_populate_recordset(null::iptv.account, $1::jsonb) r

-- name: free_addresses
-- Addresses that move between accounts are nobody's for a moment, and so are their boxes' tokens.
update iptv.account
   set mac = '', device_id = null, token_hash = null, token_expires_at_ms = null
 where id = any($1::bigint[])

-- name: change
-- Accounts with other values.
update iptv.account a
   set mac = r.mac, login = r.login, password_hash = r.password_hash, full_name = r.full_name,
       phone = r.phone, ls = r.ls, tariff = r.tariff,
       tariff_expires_at_ms = r.tariff_expires_at_ms, tariff_afterwards = r.tariff_afterwards,
       status = r.status, additional_services_on = r.additional_services_on, comment = r.comment,
       account_balance = r.account_balance, end_at_ms = r.end_at_ms, reseller = r.reseller,
       stb_sn = r.stb_sn, stb_type = r.stb_type
  from jsonb_populate_recordset(null::iptv.account, $1::jsonb) r
 where a.id = r.id
