-- What the portal offers, with the document's names and its scalars as texts (iptv.md 3.7 to 3.10).

-- name: channels
-- Channels that can be watched.
select id::text as id, name, number::text as number, base_ch::int::text as base_ch
  from iptv.channel
 where enabled and ($1::text[] is null or id::text = any($1))
 order by iptv.channel.number, iptv.channel.id

-- name: packages
-- Packages; the services of one that has all are not named.
select p.id::text as id, p.external_id, p.name, p.type, p.description,
       p.all_services::int::text as all_services, p.service_type,
       p.rent_duration_h::text as rent_duration, p.price::text as price,
       case when p.all_services then to_jsonb('all'::text)
            when p.type = 'module' then coalesce(
              (select jsonb_agg(s.service order by s.service) from iptv.package_service s
                where s.package = p.id), '[]')
            else coalesce(
              (select jsonb_agg(jsonb_build_object('id', v.id::text, 'name', v.name)
                                order by v.name, v.id)
                 from iptv.package_service s
                 join (select id, name, 'tv' as type from iptv.channel
                       union all select id, name, type from iptv.content) v
                   on v.id::text = s.service and v.type = p.type
                where s.package = p.id), '[]') end as services
  from iptv.package p
 where $1::text[] is null or p.id::text = any($1)
 order by p.id

-- name: tariffs
-- Tariff plans.
select t.id::text as id, t.external_id, t.name, t.user_default::int::text as user_default,
       t.days_to_expires::text as days_to_expires,
       coalesce((
         select jsonb_agg(jsonb_build_object(
                  'id', p.id::text, 'external_id', p.external_id, 'name', p.name, 'type', p.type,
                  'description', p.description, 'all_services', p.all_services::int::text,
                  'service_type', p.service_type, 'rent_duration', p.rent_duration_h::text,
                  'price', p.price::text, 'optional', o.optional::int::text) order by p.id)
           from iptv.tariff_package o join iptv.package p on p.id = o.package
          where o.tariff = t.id), '[]') as packages
  from iptv.tariff t
 where $1::text[] is null or t.id::text = any($1)
 order by t.id
