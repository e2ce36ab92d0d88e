-- What provisioned records have beside their columns (iptv.md 3.14), on a row `t`; and what keeps
-- them together when they change or go.

-- name: services
-- The services of a package: ids of channels or contents as numbers, or names of modules.
array_to_json(array(
  select case when t.type = 'module' then to_json(s.service) else to_json(s.service::bigint) end
    from iptv.package_service s where s.package = t.id
   order by case when t.type = 'module' then 0 else s.service::bigint end, s.service))::jsonb

-- name: packages
-- The packages of a tariff plan.
coalesce((select jsonb_agg(jsonb_build_object('id', o.package, 'optional', o.optional::int)
                           order by o.package)
            from iptv.tariff_package o where o.tariff = t.id), '[]')

-- name: by_id
-- Records that an import names by id.
t.id = any({ids}::bigint[])

-- name: by_number
-- Records that an import names by id or number.
(t.id = any({ids}::bigint[]) or t.number = any({names}::int[]))

-- name: by_external_id
-- Records that an import names by id or external id.
(t.id = any({ids}::bigint[]) or t.external_id <> '' and lower(t.external_id) = any({names}::text[]))

-- name: hold_tariffs
-- One transaction at a time writes tariff plans: each may have to take "everybody's" from another.
select pg_advisory_xact_lock(hashtext('iptv tariffs'))

-- name: clear_default
-- None is.
update iptv.tariff set user_default = false where user_default

-- name: move_sequence
-- What is made next has an id of its own, though some were given.
select setval(pg_get_serial_sequence($1, 'id'), $2, true)
 where $2 > (select coalesce(max(last_value), 0) from pg_sequences
              where format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence($1, 'id'))

-- name: missing_services
-- Those of some services that there are not.
select w.service
  from unnest($2::text[]) with ordinality w (service, place)
 where not exists (
   select from (select id, 'tv' as type from iptv.channel
                union all select id, type from iptv.content) v
    where v.type = $1 and v.id::text = w.service)
 order by w.place

-- name: set_services
-- A package has these services, and no others.
with gone as (
  delete from iptv.package_service where package = $1 and service <> all ($2::text[]))
insert into iptv.package_service (package, service) select $1, unnest($2::text[])
on conflict do nothing

-- name: allow_long
-- What everybody has goes from many rows.
select set_config('statement_timeout', '60s', true)

-- name: leave_packages
-- A channel or a content is in no package any more.
delete from iptv.package_service s using iptv.package p
 where p.id = s.package and p.type = $1 and s.service = $2::bigint::text

-- name: missing_packages
-- Those of some packages that there are not; the others stay until the transaction ends.
select w.id from unnest($1::bigint[]) with ordinality w (id, place)
 where not exists (select from iptv.package p where p.id = w.id) order by w.place

-- name: set_packages
-- A tariff plan has these packages, and no others.
with gone as (
  delete from iptv.tariff_package where tariff = $1 and package <> all ($2::bigint[]))
insert into iptv.tariff_package (tariff, package, optional)
select $1, w.package, w.optional from unnest($2::bigint[], $3::bool[]) w (package, optional)
on conflict (tariff, package) do update set optional = excluded.optional
 where tariff_package.optional <> excluded.optional

-- name: leave_tariffs
-- A package is in no tariff plan any more.
delete from iptv.tariff_package where package = $1

-- name: leave_accounts
-- A tariff plan is nobody's any more, now or later.
update iptv.account
   set tariff = nullif(tariff, $1), tariff_afterwards = nullif(tariff_afterwards, $1)
 where tariff = $1 or tariff_afterwards = $1
