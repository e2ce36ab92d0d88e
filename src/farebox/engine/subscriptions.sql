-- What accounts have chosen (iptv.md 3.8, 3.11).

-- name: hold_channels
-- Which of some channels there are; they stay until the transaction ends.
select id::text as id from iptv.channel where id::text = any($1::text[]) order by id for key share

-- name: with_other_channels
-- Accounts that have not exactly these channels in this order.
select a.id from iptv.account a
 where a.id = any($1::bigint[])
   and array(select s.channel from iptv.channel_subscription s
              where s.account = a.id order by s.place) <> $2::bigint[]
 order by a.id

-- name: remove_channels
-- All channels of accounts.
delete from iptv.channel_subscription where account = any($1::bigint[])

-- name: add_channels
-- The same channels for each of some accounts.
insert into iptv.channel_subscription (account, channel, place)
select a.id, c.channel, c.place
  from unnest($1::bigint[]) a (id), unnest($2::bigint[]) with ordinality c (channel, place)

-- name: offered
-- What an account can choose from, and what it has.
select p.id, p.external_id, s.package is not null as is_chosen,
       case when p.service_type = 'single' then p.rent_duration_h else 0 end as rent
  from iptv.account a
  join iptv.tariff_package o on o.optional
   and o.tariff = coalesce(a.tariff, (select t.id from iptv.tariff t where t.user_default))
  join iptv.package p on p.id = o.package
  left join iptv.package_subscription s on s.account = a.id and s.package = p.id
   and (s.expires_at_ms is null or s.expires_at_ms > $2)
 where a.id = $1
 order by p.id

-- name: remove_packages
-- All packages of an account but these.
delete from iptv.package_subscription where account = $1 and package <> all($2::bigint[])

-- name: add_package
-- A package from now on.
insert into iptv.package_subscription (account, package, since_ms, expires_at_ms)
values ($1, $2, $3, $4)
on conflict (account, package) do update
  set since_ms = excluded.since_ms, expires_at_ms = excluded.expires_at_ms
