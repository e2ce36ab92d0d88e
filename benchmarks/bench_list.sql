-- A world for lists: ten thousand groups, a hundred thousand locations, up to a million machines.

-- name: fill
-- A tree of a hundred groups with 99 below each; locations and machines spread evenly over all.
-- `list.machines` says how many machines; their indexes are made at the end.
set session_replication_role = replica;
set maintenance_work_mem = '256MB';
create temp table kept as
  select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as made
  from pg_index where indrelid = 'vending.machine'::regclass and not indisprimary;
do $$ declare one record; begin
  for one in select name from kept loop execute 'drop index ' || one.name; end loop;
end $$;
insert into vending.usergroup (id, parent, name, created_at_ms, updated_at_ms)
  select n, case when n = 1 then null when n <= 101 then 1 else 2 + n % 100 end, n, 0, 0
  from generate_series(1, 10000) n;
insert into vending.location
    (id, owner, name, address, postcode, city, country, time_zone, created_at_ms, updated_at_ms)
  select n, 1 + n % 10000, 'location ' || n, '', '', 'city ' || n % 500, 'NL', 'UTC', 0, 0
  from generate_series(1, 100000) n;
insert into vending.machine
    (id, location, name, hostname, currency, tag, created_at_ms, updated_at_ms)
  select n, 1 + n % 100000, 'machine ' || n, 'host-' || n, 978, 'tag ' || n / 100000 % 50, 0, 0
  from generate_series(1, current_setting('list.machines')::int) n;
do $$ declare one record; begin
  for one in select made from kept loop execute one.made; end loop;
end $$;
set session_replication_role = origin;
analyze vending.usergroup, vending.location, vending.machine

-- name: add_user
-- A user of the branch below group 2, who sees a hundredth of everything.
with spoken as (
  insert into vending.language (id, name, language, locale, created_at_ms, updated_at_ms)
  values (1, 'English', 'en', 'en-GB', 0, 0)
)
insert into vending.users (id, owner, username, email, language, email_confirmed, password_hash,
                           created_at_ms, updated_at_ms)
values (1, 2, 'lister', 'lister@example.test', 1, true, $1, 0, 0)

-- name: add_ten
-- One who sees ten groups and a thousand machines, all there are where there are no more; signs in
-- as the lister does.
with ten as (
  insert into vending.usergroup (id, parent, name, created_at_ms, updated_at_ms)
  values (20000, 1, 'ten', 0, 0)
), moved as (
  update vending.usergroup set parent = 20000 where id between 5001 and 5010
), owned as (
  update vending.location set owner = 5001 + id % 10 where id <= 1001 and $1::int = 1000
)
insert into vending.users (id, owner, username, email, language, email_confirmed, password_hash,
                           created_at_ms, updated_at_ms)
select 2, 20000, 'ten', 'ten@example.test', 1, true, u.password_hash, 0, 0
from vending.users u where u.id = 1

-- name: machines
-- The rows of the list, and how many there are in all, as one would write them by hand for exactly
-- this question.
select m.id, m.name, m.hostname, m.gateway, m.location, m.machine_model, m.machine_type,
       m.manufacturer, m.last_revenuetransaction, m.last_log, m.last_iotevent, m.tag, m.notes,
       m.virtual_prices::int, m.active::int, m.currency, m.debtor, m.log_synced,
       m.revenuetransaction_synced, m.iotevent_synced, m.rule_set,
       to_timestamp(m.created_at_ms / 1000), to_timestamp(m.updated_at_ms / 1000),
       m.last_sold_id, m.is_managed_assortment::int, m.config_state, m.transaction_profile,
       m.has_subscription::int, count(*) over ()
from vending.machine m
where m.location in (
        select l.id from vending.location l where l.owner = any($1::int[])
        union all
        select a.location from vending.usergroup_location a where a.usergroup = any($1::int[])
        union all
        select c.location
        from vending.usergroup_locationgroup a
        join vending.locationgroup_location c on c.locationgroup = a.locationgroup
        where a.usergroup = any($1::int[]))
  and m.active = $2 and m.tag = $3
order by m.name collate "C", m.id
limit $4
