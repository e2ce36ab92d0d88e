-- The people, places and machines of a demonstration (vending-platform.md 5). Statements of the
-- fixture take the time of their rows as $1 and change nothing where the row is already there.
-- The passwords behind the hashes are public: this file is never loaded beside real data.

-- name: holds_other_data
-- Whether this database has groups or users that are not the demonstration's own.
select exists (select from vending.usergroup)
   and not exists (select from vending.users where id = 2 and email = 'nora@example.test')

-- name: insert_groups
-- Root, North with Cafe below it, South.
insert into vending.usergroup (id, name, parent, admin, created_at_ms, updated_at_ms) values
  (1, 'Root', null, true, $1, $1),
  (2, 'North', 1, false, $1, $1),
  (3, 'Cafe', 2, false, $1, $1),
  (4, 'South', 1, false, $1, $1)
on conflict do nothing

-- name: insert_language
-- English, for everybody.
insert into vending.language (id, name, language, locale, owner, created_at_ms, updated_at_ms)
values (1, 'English', 'en', 'en-GB', null, $1, $1)
on conflict do nothing

-- name: insert_users
-- Argon2id of 'root horse 99', 'correct horse 9' and 'battery staple 9'.
insert into vending.users
  (id, username, email, owner, language, password_hash, email_confirmed, created_at_ms,
   updated_at_ms)
values
  (1, 'root', 'root@example.test', 1, 1, '$argon2id$v=19$m=65536,t=3,p=4'
     || '$xC/GB7/Ox7wm8j9pTKwWxw$eyaMLEeGxXtXfvGjDcPIyJIwtrDv0H7iRdyAS5QsUys', true, $1, $1),
  (2, 'nora', 'nora@example.test', 2, 1, '$argon2id$v=19$m=65536,t=3,p=4'
     || '$ZEs+IHLw/1ZJt27s+u/tKQ$FqWQRyOl92Jf+rYYIC2ho/CgSv15OgdThvoVRSrJZAw', true, $1, $1),
  (4, 'sam', 'sam@example.test', 4, 1, '$argon2id$v=19$m=65536,t=3,p=4'
     || '$uDp2XvY5nzSfk0RxHb6oxw$rpSt4ZNvChe6wKvfM5WOCkHqLiS32EHojXB124ngID4', true, $1, $1)
on conflict do nothing

-- name: insert_locations
-- One place of North, one of South.
insert into vending.location
  (id, owner, name, address, postcode, city, country, time_zone, created_at_ms, updated_at_ms)
values
  (2, 2, 'Central Station', 'Stationsplein 1', '1012 AB', 'Amsterdam', 'NL', 'Europe/Amsterdam',
   $1, $1),
  (3, 4, 'South Pier', 'Strandweg 10', '2586 JK', 'Den Haag', 'NL', 'Europe/Amsterdam', $1, $1)
on conflict do nothing

-- name: insert_location_group
-- Location group 6 of North.
insert into vending.locationgroup (id, owner, name, created_at_ms, updated_at_ms)
values (6, 2, 'Stations', $1, $1)
on conflict do nothing

-- name: insert_model
-- One kind of machine, for everybody: type, manufacturer, error profile and model 1.
with kind as (
  insert into vending.machinetype (id, name, created_at_ms, updated_at_ms)
  values (1, 'Hot drinks', $1, $1) on conflict do nothing
), maker as (
  insert into vending.manufacturer (id, name, created_at_ms, updated_at_ms)
  values (1, 'Barista Works', $1, $1) on conflict do nothing
), made as (
  insert into vending.manufacturer_machinetype (manufacturer, machinetype) values (1, 1)
  on conflict do nothing
), profile as (
  insert into vending.errorprofile
    (id, name, machine_type, manufacturer, created_at_ms, updated_at_ms)
  values (1, 'Hot drinks', 1, 1, $1, $1) on conflict do nothing
)
insert into vending.machinemodel
  (id, name, manufacturer, machine_type, error_profile, created_at_ms, updated_at_ms)
values (1, 'Duo', 1, 1, 1, $1, $1)
on conflict do nothing

-- name: insert_transaction_profile
-- Transaction profile 1 of North: what a telephone pays counts as paid by card.
insert into vending.transactionprofile
  (id, owner, name, report_rule, payment_types_map, created_at_ms, updated_at_ms)
values (1, 2, 'Telephones', 'first_letter', '{"virtual": "card"}', $1, $1)
on conflict do nothing

-- name: insert_machines
-- A machine in each place, both paid in euro.
insert into vending.machine
  (id, name, hostname, location, currency, machine_model, machine_type, manufacturer,
   transaction_profile, created_at_ms, updated_at_ms)
values
  (80, 'Platform 2', 'gw-0080', 2, 978, 1, 1, 1, 1, $1, $1),
  (81, 'Pier head', 'gw-0081', 3, 978, 1, 1, 1, null, $1, $1)
on conflict do nothing

-- name: insert_machine_group
-- Machine group 5 of North.
insert into vending.machinegroup (id, owner, name, created_at_ms, updated_at_ms)
values (5, 2, 'Platforms', $1, $1)
on conflict do nothing

-- name: insert_products
-- What machine 80 sells.
insert into vending.product (id, machine, class, plu, name, price, created_at_ms, updated_at_ms)
values
  (1, 80, 'base', 1, 'Coffee', 100, $1, $1),
  (2, 80, 'base', 2, 'Tea', 90, $1, $1),
  (3, 80, 'base', 1001, 'Milk', 20, $1, $1),
  (4, 80, 'base', 2001, 'Sugar', 5, $1, $1)
on conflict do nothing

-- name: insert_template
-- Configuration template 1 of North.
insert into vending.machineconfigtemplate (id, owner, name, config, apn, created_at_ms,
                                           updated_at_ms)
values (1, 2, 'Default', 'poll=60', 'm2m', $1, $1)
on conflict do nothing

-- name: insert_alert_group
-- Alert group 7 of North.
insert into vending.alertgroup (id, owner, name, created_at_ms, updated_at_ms)
values (7, 2, 'Service', $1, $1)
on conflict do nothing

-- name: insert_widget
-- Widget 11 on nora's dashboard.
insert into vending.widget (id, dashboard, name, widget_type, created_at_ms, updated_at_ms)
values (11, 9, 'Machines', 1, $1, $1)
on conflict do nothing

-- name: insert_report
-- Report 1 of nora.
insert into vending.report (id, owner, users, name, created_at_ms, updated_at_ms)
values (1, 2, 2, 'Platforms', $1, $1)
on conflict do nothing

-- name: insert_connector
-- Connector 12, which the groups below Root may name; it signs nothing.
insert into vending.connector (id, owner, name, url, created_at_ms, updated_at_ms)
values (12, 1, 'ERP', 'https://erp.example.test/sales', $1, $1)
on conflict do nothing

-- name: insert_device_key
-- The key 'demo-device-key' of machine 80.
insert into vending.device_key (id, machine, sha256, created_at_ms)
values (1, 80, sha256('demo-device-key'), $1)
on conflict do nothing

-- name: insert_members
-- Location group 6 is Central Station; machine group 5 and report 1 are machine 80.
with stations as (
  insert into vending.locationgroup_location (locationgroup, location) values (6, 2)
  on conflict do nothing
), platforms as (
  insert into vending.machinegroup_machine (machinegroup, machine) values (5, 80)
  on conflict do nothing
)
insert into vending.report_machine (report, machine) values (1, 80)
on conflict do nothing

-- name: number_dashboard
-- Nora's dashboard is number 9; everybody got one with their account.
update vending.dashboard set id = 9
where users = 2 and name = 'Dashboard' and not exists (select from vending.dashboard where id = 9)

-- name: move_sequences
-- The next rows get the numbers that the examples of the specification show.
select setval(pg_get_serial_sequence(t.name, 'id'), greatest(
         t.last, t.highest, pg_sequence_last_value(pg_get_serial_sequence(t.name, 'id')::regclass)))
from (values
  ('vending.usergroup', 7, (select max(id) from vending.usergroup)),
  ('vending.language', 1, (select max(id) from vending.language)),
  ('vending.users', 4, (select max(id) from vending.users)),
  ('vending.location', 9, (select max(id) from vending.location)),
  ('vending.locationgroup', 6, (select max(id) from vending.locationgroup)),
  ('vending.machinetype', 1, (select max(id) from vending.machinetype)),
  ('vending.manufacturer', 1, (select max(id) from vending.manufacturer)),
  ('vending.errorprofile', 1, (select max(id) from vending.errorprofile)),
  ('vending.machinemodel', 1, (select max(id) from vending.machinemodel)),
  ('vending.transactionprofile', 1, (select max(id) from vending.transactionprofile)),
  ('vending.machine', 89, (select max(id) from vending.machine)),
  ('vending.machinegroup', 5, (select max(id) from vending.machinegroup)),
  ('vending.product', 4, (select max(id) from vending.product)),
  ('vending.machineconfigtemplate', 1, (select max(id) from vending.machineconfigtemplate)),
  ('vending.alertgroup', 7, (select max(id) from vending.alertgroup)),
  ('vending.dashboard', 9, (select max(id) from vending.dashboard)),
  ('vending.widget', 11, (select max(id) from vending.widget)),
  ('vending.report', 1, (select max(id) from vending.report)),
  ('vending.connector', 12, (select max(id) from vending.connector)),
  ('vending.device_key', 1, (select max(id) from vending.device_key))) as t (name, last, highest)

-- name: find_campaign
-- A campaign of this group by its name.
select min(id) from voucher.campaign where owner = $1 and name = $2

-- name: patience
-- Lets the statements of this transaction run longer than usual.
set local statement_timeout = '60s'

-- name: insert_sales
-- A year of sales until $1, the same ones every time: busy mornings, quiet weekends, now and then
-- money back. Nothing where there are sales already. Hours are of Amsterdam's winter time.
with menu (share, plu, name, price) as (
  values (0, 1, 'Coffee', 100), (1, 1, 'Coffee', 100), (2, 1, 'Coffee', 100),
         (3, 1, 'Coffee', 100), (4, 2, 'Tea', 90), (5, 2, 'Tea', 90),
         (6, 3, 'Hot chocolate', 120), (7, 1001, 'Milk', 20)
), tender (share, method) as (
  values (0, 'card'), (1, 'card'), (2, 'card'), (3, 'cash'), (4, 'cash'), (5, 'virtual'),
         (6, 'card'), (7, 'code')
), drawn as (
  select m.machine, m.location, $1::bigint / 86400000 - d.back as day,
         hashint8extended((m.machine * 1000 + d.back) * 1000 + s.slot, 4711) & 1073741823 as luck
    from (values (80, 2, 36), (81, 3, 24)) as m (machine, location, slots)
   cross join generate_series(0, 364) as d (back)
   cross join lateral generate_series(1, m.slots) as s (slot)
   where not exists (select from vending.revenuetransaction)
), timed as (
  select r.machine, r.location, r.luck,
         (r.day * 86400 + 3600 * (string_to_array(
            '6 7 7 7 8 8 8 8 9 9 9 10 10 10 11 11 12 12 12 13 13 14 14 15 15 16 16 17 17 18 19 21',
            ' '))[1 + r.luck % 32]::int - 3600 + r.luck / 32 % 3600) * 1000 as at_ms
    from drawn r
   -- Day 0 was a Thursday.
   where (r.day + 3) % 7 < 5 or r.luck % 3 = 0
), sold as (
  insert into vending.revenuetransaction
    (machine, location, time_zone, occurred_at_ms, product, plu, name, price, original_price,
     currency, num_paymenttransactions, created_at_ms, updated_at_ms)
  select t.machine, t.location, 'Europe/Amsterdam', t.at_ms, p.id, n.plu, n.name,
         case when t.luck / 256 % 500 = 0 then -n.price else n.price end, n.price, 'EUR', 1,
         t.at_ms, t.at_ms
    from timed t
    join menu n on n.share = t.luck / 4096 % 8
    left join vending.product p on p.machine = t.machine and p.plu = n.plu
   where t.at_ms <= $1
   order by t.at_ms
  returning id, machine, location, occurred_at_ms, price
)
insert into vending.paymenttransaction
  (revenuetransaction, machine, location, time_zone, occurred_at_ms, method, type, price, currency,
   report_group, created_at_ms, updated_at_ms)
select s.id, s.machine, s.location, 'Europe/Amsterdam', s.occurred_at_ms, k.method,
       -- As the transaction profile of machine 80 has it.
       case when k.method = 'virtual' and s.machine = 80 then 'card' else k.method end,
       s.price, 'EUR', null, s.occurred_at_ms, s.occurred_at_ms
  from sold s
  join tender k on k.share = hashint8extended(s.occurred_at_ms, s.machine) & 7

-- name: note_last_sales
-- The newest sale of each machine.
update vending.machine m
   set last_revenuetransaction = s.id, last_revenuetransaction_at_ms = s.occurred_at_ms,
       last_sold_id = s.product
  from (select distinct on (r.machine) r.machine, r.id, r.occurred_at_ms, r.product
          from vending.revenuetransaction r
         order by r.machine, r.occurred_at_ms desc, r.id desc) s
 where m.id = s.machine and m.last_revenuetransaction is null

-- name: insert_charts
-- User report 1 of nora's, with four charts of the sales, unless she has one.
with made as (
  insert into vending.userreport (users, name, created_at_ms, updated_at_ms)
  select 2, 'What we sell', $1, $1
   where not exists (select from vending.userreport where users = 2)
  returning id
)
insert into vending.chart
  (report, name, type, view, criteria, position, created_at_ms, updated_at_ms)
select made.id, c.name, t.type, c.view, coalesce(c.asked::jsonb, t.criteria), c.place, $1, $1
  from made, vending.charttemplate t
  join (values
    (0, 'Revenue of thirty days', 'revenue_full', 'lines', null),
    (1, 'Products by month', 'revenue_full', 'bars', '{"from": "revenuetransaction",
       "select": [{"expr": "name", "op": "", "as": "product"},
                  {"expr": "currency", "op": "", "as": "currency"},
                  {"expr": "price", "op": "sum", "as": "revenue"}],
       "timeFrames": [{"type": "month", "viewType": "month", "hoursToSub": 8040,
                       "column": "occurredAt", "description": "A year"}]}'),
    (2, 'How people pay', 'payment_types', 'pie', null),
    (3, 'Busy hours of this week', 'revenue_full', 'bars', '{"from": "revenuetransaction",
       "select": [{"expr": "*", "op": "count", "as": "products"}],
       "timeFrames": [{"type": "week", "viewType": "hour", "hoursToSub": 0,
                       "column": "occurredAt", "description": "This week"}]}')
  ) as c (place, name, type, view, asked) on c.type = t.type
 order by c.place
