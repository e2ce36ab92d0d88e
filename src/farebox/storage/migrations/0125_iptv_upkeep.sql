-- What operators' routes and many boxes need of the IPTV portal (iptv.md 3.13, 3.14).

-- Provisioned rows know when they were made and changed.
alter table iptv.channel
  add column created_at_ms bigint not null default 0,
  add column updated_at_ms bigint not null default 0;
alter table iptv.content
  add column created_at_ms bigint not null default 0,
  add column updated_at_ms bigint not null default 0,
  add constraint content_number_form check (number between 1 and 9999);
alter table iptv.package
  add column created_at_ms bigint not null default 0,
  add column updated_at_ms bigint not null default 0;
alter table iptv.tariff
  add column created_at_ms bigint not null default 0,
  add column updated_at_ms bigint not null default 0;

-- Boxes poll all the time. When they were seen stands in pages of 240 accounts, so that a batch of
-- thousands of polls writes a few hundred rows, each in place: a page and its next version share a
-- block of the table, and an element is read without copying the others.
create table iptv.presence (
  page bigint primary key,
  polled_at_ms bigint[] not null default array_fill(0::bigint, array[240]),
  active_at_ms bigint[] not null default array_fill(0::bigint, array[240])
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.5);
alter table iptv.presence
  alter column polled_at_ms set storage plain,
  alter column active_at_ms set storage plain;

-- Notes when boxes were seen; what is known to be later stays. The accounts are ascending, so that
-- processes that note at once take pages in one order.
create function iptv.note_seen(accounts bigint[], polled_ms bigint[], active_ms bigint[])
returns void language plpgsql as $$
declare
  number bigint;
  polled bigint[];
  active bigint[];
  at integer := 1;
  place integer;
begin
  while at <= cardinality(accounts) loop
    number := accounts[at] / 240;
    insert into iptv.presence (page) values (number) on conflict do nothing;
    select p.polled_at_ms, p.active_at_ms into polled, active
      from iptv.presence p where p.page = number for update;
    while at <= cardinality(accounts) and accounts[at] / 240 = number loop
      place := accounts[at] % 240 + 1;
      polled[place] := greatest(polled[place], polled_ms[at]);
      active[place] := greatest(active[place], active_ms[at]);
      at := at + 1;
    end loop;
    update iptv.presence p set polled_at_ms = polled, active_at_ms = active where p.page = number;
  end loop;
end $$;

select iptv.note_seen(array_agg(id order by id), array_agg(coalesce(polled_at_ms, 0) order by id),
                      array_agg(coalesce(active_at_ms, 0) order by id))
  from iptv.account where polled_at_ms is not null or active_at_ms is not null
having count(*) > 0;

-- As before, but for where it is known when a box was seen.
create or replace function iptv.seen(now_ms bigint, is_billing boolean, watchdog_ms bigint)
returns table (
  id bigint, mac text, login text, full_name text, phone text, ls text, tariff bigint,
  tariff_plan text, tariff_expires_at_ms bigint, tariff_afterwards text, status boolean,
  additional_services_on boolean, comment text, account_balance text, end_at_ms bigint,
  stb_sn text, stb_type text, version text, ip text, is_online boolean, active_at_ms bigint,
  reseller bigint, reseller_name text, restricted text[], disabled text[], channels text[],
  subscribed text[], subscribed_ids text[]
) language sql stable as $$
  select a.id, a.mac, a.login, a.full_name, a.phone, a.ls, t.id,
         coalesce(nullif(t.external_id, ''), t.id::text, ''),
         case when x.is_over then null else a.tariff_expires_at_ms end,
         case when x.is_over then ''
              else coalesce(nullif(i.external_id, ''), i.id::text, '') end,
         a.status and not (is_billing and a.end_at_ms is not null and a.end_at_ms <= now_ms
                           and a.ended_by_ms is distinct from a.end_at_ms),
         a.additional_services_on, a.comment, a.account_balance, a.end_at_ms,
         a.stb_sn, a.stb_type, a.version, a.ip,
         coalesce(now_ms - v.polled_at_ms[a.id % 240 + 1] <= watchdog_ms, false),
         nullif(v.active_at_ms[a.id % 240 + 1], 0),
         a.reseller, coalesce(r.name, ''), a.restricted, a.disabled,
         array(select s.channel::text from iptv.channel_subscription s
                where s.account = a.id order by s.place),
         array(select coalesce(nullif(p.external_id, ''), p.id::text)
                 from iptv.package_subscription s
                 join iptv.tariff_package o on o.package = s.package and o.tariff = t.id
                 join iptv.package p on p.id = s.package
                where s.account = a.id and o.optional
                  and (s.expires_at_ms is null or s.expires_at_ms > now_ms) order by p.id),
         array(select s.package::text
                 from iptv.package_subscription s
                 join iptv.tariff_package o on o.package = s.package and o.tariff = t.id
                where s.account = a.id and o.optional
                  and (s.expires_at_ms is null or s.expires_at_ms > now_ms) order by s.package)
    from iptv.account a
   cross join lateral (select coalesce(a.tariff_expires_at_ms <= now_ms, false) as is_over) x
    left join iptv.presence v on v.page = a.id / 240
    left join iptv.tariff d on d.user_default
    left join iptv.tariff t on t.id = coalesce(
           case when x.is_over then a.tariff_afterwards else a.tariff end, d.id)
    left join iptv.tariff i on i.id = a.tariff_afterwards
    left join iptv.reseller r on r.id = a.reseller
$$;

alter table iptv.account drop column polled_at_ms, drop column active_at_ms;
