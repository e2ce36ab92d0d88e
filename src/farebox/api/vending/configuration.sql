-- Configuration of machines (vending-platform.md 3.2, 3.5, 4.6). Every write locks the machines it
-- means first, in the order of their ids, as ingestion does.

-- name: named
-- A machine `t` with this hostname.
lower(t.hostname) = lower({hostname}::text)

-- name: config_of
-- The settings of a machine.
select apn, config, sharing, mode, encryption, encryption_key, ssid
from vending.machineconfig where machine = $1

-- name: lock_machines
-- Makes other writers of these machines wait.
select m.id from vending.machine m where m.id = any($1::int[]) order by m.id for no key update

-- name: keys_of
-- The keys of the networks of machines, as they are stored.
select machine, encryption_key from vending.machineconfig where machine = any($1::int[])

-- name: configure
-- Writes the members in $2 to the settings of machines $1; schedules those where something differs,
-- all of them if $4. Those in $5 have the key of $2 already.
with told as (
  select t.* from jsonb_to_record($2::jsonb) as t
    (config text, mode text, ssid text, encryption text, "encryptionKey" text, apn text,
     sharing text)
), wanted as (
  select m.id as machine, c.machine is not null as is_there,
         (c.config, c.mode, c.ssid, c.encryption, c.encryption_key, c.apn, c.sharing) as before,
         case when $2::jsonb ? 'config' then t.config else c.config end as config,
         case when $2::jsonb ? 'mode' then t.mode else c.mode end as mode,
         case when $2::jsonb ? 'ssid' then t.ssid else c.ssid end as ssid,
         case when $2::jsonb ? 'encryption' then t.encryption else c.encryption end as encryption,
         case when $2::jsonb ? 'encryptionKey' and m.id <> all($5::int[])
              then t."encryptionKey" else c.encryption_key end as encryption_key,
         case when $2::jsonb ? 'apn' then t.apn else c.apn end as apn,
         case when $2::jsonb ? 'sharing' then t.sharing else c.sharing end as sharing
    from unnest($1::int[]) as m (id)
    cross join told t
    left join vending.machineconfig c on c.machine = m.id
), changed as (
  insert into vending.machineconfig as c
    (machine, config, mode, ssid, encryption, encryption_key, apn, sharing, created_at_ms,
     updated_at_ms)
  select w.machine, w.config, w.mode, w.ssid, w.encryption, w.encryption_key, w.apn, w.sharing,
         $3::bigint, $3
    from wanted w
   where (w.config, w.mode, w.ssid, w.encryption, w.encryption_key, w.apn, w.sharing)
         is distinct from w.before
  on conflict (machine) do update
    set config = excluded.config, mode = excluded.mode, ssid = excluded.ssid,
        encryption = excluded.encryption, encryption_key = excluded.encryption_key,
        apn = excluded.apn, sharing = excluded.sharing, updated_at_ms = excluded.updated_at_ms
  returning c.machine
)
update vending.machine m
   set config_version = m.config_version + 1, config_state = 'scheduled', updated_at_ms = $3
 where m.id in (select machine from changed) or ($4::bool and m.id = any($1::int[]))

-- name: set_houdini
-- Sets the gateway software's configuration $2 of machine $1, unless it is that already.
with changed as (
  insert into vending.houdiniconfig as h (machine, config, created_at_ms, updated_at_ms)
  values ($1, $2, $3, $3)
  on conflict (machine) do update
    set config = excluded.config, version = h.version + 1, updated_at_ms = excluded.updated_at_ms
    where h.config <> excluded.config
  returning h.machine
)
update vending.machine m
   set config_version = m.config_version + 1, config_state = 'scheduled', updated_at_ms = $3
  from changed c where m.id = c.machine
