-- Accounts and their boxes (iptv.md 2.1, 4). `iptv.seen` is how they read at an instant.

-- name: find_numbers
-- Accounts by address; what may be an account number is one where no box has such an address.
select w.place, a.id
  from unnest($1::text[], $2::text[]) with ordinality as w (mac, other, place)
 cross join lateral (
   select m.id from iptv.account m where w.mac <> '' and m.mac = w.mac and m.mac <> ''
   union all
   select n.id from iptv.account n
    where w.other <> '' and n.ls <> '' and lower(n.ls) = lower(w.other)
      and not exists (select from iptv.account m
                       where w.mac <> '' and m.mac = w.mac and m.mac <> '')
 ) a
 order by w.place, a.id

-- name: find_logins
-- Accounts by address, or by login where no box has such an address.
select w.place, a.id
  from unnest($1::text[], $2::text[]) with ordinality as w (mac, other, place)
 cross join lateral (
   select m.id from iptv.account m where w.mac <> '' and m.mac = w.mac and m.mac <> ''
   union all
   select n.id from iptv.account n
    where w.other <> '' and n.login <> '' and lower(n.login) = lower(w.other)
      and not exists (select from iptv.account m
                       where w.mac <> '' and m.mac = w.mac and m.mac <> '')
 ) a
 order by w.place, a.id

-- name: read
-- Some accounts as they are.
select s.* from iptv.seen($1, $2, $3) s where s.id = any($4::bigint[])

-- name: page
-- Accounts after an id.
select s.* from iptv.seen($1, $2, $3) s where s.id > $4 order by s.id offset $5 limit $6

-- name: count
-- All of them.
select count(*) from iptv.account

-- name: add
-- An account with nothing in it.
insert into iptv.account (created_at_ms) values ($1) returning id

-- name: hold_name
-- One transaction at a time gives a name away.
select pg_advisory_xact_lock(hashtextextended('iptv ' || $1 || ' ' || lower($2), 0))

-- name: is_taken
-- Whether another account has a login or an address.
select exists (
  select from iptv.account a
   where (($2 = 'login' and a.login <> '' and lower(a.login) = lower($1))
          or ($2 = 'mac' and a.mac <> '' and a.mac = $1))
     and a.id <> all($3::bigint[]))

-- name: write
-- Columns that are named; the others keep their values.
update iptv.account a
   set (mac, login, password_hash, full_name, phone, ls, tariff_expires_at_ms, tariff_afterwards,
        additional_services_on, comment, account_balance, end_at_ms, reseller, restricted,
        disabled)
     = (select r.mac, r.login, r.password_hash, r.full_name, r.phone, r.ls,
               r.tariff_expires_at_ms, r.tariff_afterwards, r.additional_services_on, r.comment,
               r.account_balance, r.end_at_ms, r.reseller, r.restricted, r.disabled
          from jsonb_populate_record(a, $2::jsonb) r)
 where a.id = any($1::bigint[])

-- name: set_status
-- Switches accounts on or off; those that were so are not told.
update iptv.account set status = $2
 where id = any($1::bigint[]) and status <> $2
returning id

-- name: unbind_others
-- A box with another address is another box.
update iptv.account set device_id = null, token_hash = null, token_expires_at_ms = null
 where id = any($1::bigint[]) and mac <> $2

-- name: unbind
-- Any box may sign in.
update iptv.account set device_id = null, token_hash = null, token_expires_at_ms = null
 where id = any($1::bigint[])

-- name: remove
-- Accounts, and by their keys everything of theirs.
delete from iptv.account where id in (
  select id from iptv.account where id = any($1::bigint[]) order by id for update)
returning id

-- name: hold
-- Accounts, locked.
select id from iptv.account where id = any($1::bigint[]) order by id for update

-- name: hold_all
-- All accounts, locked.
select id from iptv.account order by id for update

-- name: days
-- How long a tariff plan lasts.
select days_to_expires from iptv.tariff where id = $1

-- name: assign
-- Another tariff plan begins its own time.
update iptv.account
   set tariff = $2,
       tariff_expires_at_ms = case when tariff is distinct from $2 then $3
                                   else tariff_expires_at_ms end
 where id = any($1::bigint[])

-- name: tariff_of
-- A tariff plan by its external id, else by its own.
select id from iptv.tariff
 where (external_id <> '' and lower(external_id) = lower($1)) or id::text = $1
 order by (external_id <> '' and lower(external_id) = lower($1)) desc limit 1

-- name: hold_reseller
-- How many accounts a reseller may have, locked.
select max_users from iptv.reseller where id = $1 for update

-- name: count_others
-- How many it has besides these.
select count(*) from iptv.account where reseller = $1 and id <> all($2::bigint[])

-- name: end_tariffs
-- Tariff plans whose time is over.
update iptv.account
   set tariff = tariff_afterwards, tariff_expires_at_ms = null, tariff_afterwards = null
 where id = any($1::bigint[]) and tariff_expires_at_ms <= $2
returning id

-- name: remove_unfit
-- Packages that cannot be chosen in the tariff plan of an account.
delete from iptv.package_subscription s
 using iptv.account a
 where a.id = any($1::bigint[]) and s.account = a.id and not exists (
   select from iptv.tariff_package o
    where o.package = s.package and o.optional
      and o.tariff = coalesce(a.tariff, (select t.id from iptv.tariff t where t.user_default)))

-- name: end_rents
-- Rented packages whose time is over.
delete from iptv.package_subscription where account = any($1::bigint[]) and expires_at_ms <= $2
returning account

-- name: end_accounts
-- Accounts whose end has come, each end once.
update iptv.account a set status = false, ended_by_ms = a.end_at_ms
  from (select id, status as was_on from iptv.account where id = any($1::bigint[])) b
 where a.id = b.id and a.end_at_ms <= $2 and a.ended_by_ms is distinct from a.end_at_ms
returning a.id, b.was_on

-- name: due
-- Accounts to which something is due, but those that somebody is writing to.
select a.id from iptv.account a
 where a.id in (
   (select id from iptv.account where tariff_expires_at_ms <= $1 limit $3)
   union all
   (select account from iptv.package_subscription where expires_at_ms <= $1 limit $3)
   union all
   (select id from iptv.account
     where $2::bool and end_at_ms <= $1 and ended_by_ms is distinct from end_at_ms limit $3))
 order by a.id for update skip locked
