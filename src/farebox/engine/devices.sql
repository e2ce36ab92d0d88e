-- What devices ask for (vending-platform.md 3.16, 4.6).

-- name: find_machine
-- A gateway, or a machine that reports through it, by host name.
select m.id
  from vending.machine m
 where lower(m.hostname) = lower($2::text) and (m.id = $1::int or m.gateway = $1::int)

-- name: remember
-- What a device said about itself; silence about a thing changes nothing.
insert into vending.device_report as r (machine, uptime, firmware, signal, at_ms)
values ($1, $2, $3, $4, $5)
on conflict (machine) do update
set uptime = coalesce(excluded.uptime, r.uptime),
    firmware = coalesce(excluded.firmware, r.firmware),
    signal = coalesce(excluded.signal, r.signal),
    at_ms = excluded.at_ms

-- name: remember_message
-- What it said about its configuration.
insert into vending.device_report (machine, config_message, at_ms) values ($1, $2, $3)
on conflict (machine) do update
set config_message = excluded.config_message, at_ms = excluded.at_ms

-- name: news
-- What has changed for machine $1, and how many commands wait for gateway $2.
select m.config_version, m.assortment_version,
       m.log_synced, m.revenuetransaction_synced, m.iotevent_synced,
       coalesce((select h.version from vending.houdiniconfig h where h.machine = m.id), 0)
         as houdini_version,
       (select count(*)
          from vending.devicecommand c join vending.machine b on b.id = c.machine
         where (b.id = $2::int or b.gateway = $2::int)
           and c.state = 'queued' and c.expires_at_ms > $3::bigint) as commands
  from vending.machine m
 where m.id = $1::int

-- name: config
-- The configuration of a machine: both halves, and the version that covers both.
select m.id as machine, m.config_version as version, h.config as houdini,
       c.config, c.mode, c.ssid, c.encryption, c.encryption_key, c.apn, c.sharing
  from vending.machine m
  left join vending.machineconfig c on c.machine = m.id
  left join vending.houdiniconfig h on h.machine = m.id
 where m.id = $1

-- name: config_sent
-- A scheduled configuration was fetched.
update vending.machine set config_state = 'sent'
 where id = $1 and config_version = $2 and config_state = 'scheduled'

-- name: lock_version
-- The current version of a configuration, held.
select config_version from vending.machine where id = $1 for no key update

-- name: acknowledge
-- What became of the current configuration.
update vending.machine set config_state = $2 where id = $1 and config_state <> $2

-- name: assortment
-- A machine's assortment in one look; a machine that sells nothing has one row of nothing.
select m.assortment_version as version, p.id, p.class, p.plu, p.name, p.price, p.report_name,
       p.barcode, p.internal_ref, p.machine, p.remote_price, p.vatrate, p.ledger, p.subledger,
       p.created_at_ms, p.updated_at_ms
  from vending.machine m
  left join vending.product p on p.machine = m.id
 where m.id = $1
 order by p.plu

-- name: deliver
-- Gives out commands that wait for a gateway or the machines behind it, each once.
update vending.devicecommand c
   set state = 'delivered', delivered_at_ms = $3, updated_at_ms = $3
  from vending.machine m
 where m.id = c.machine and c.state = 'queued' and c.id in (
   select q.id
     from vending.devicecommand q join vending.machine b on b.id = q.machine
    where (b.id = $1::int or b.gateway = $1::int)
      and q.state = 'queued' and q.expires_at_ms > $3::bigint
    order by q.id
    limit $2
      for update of q skip locked)
returning c.id, m.hostname, c.command, c.params, c.expires_at_ms

-- name: finish
-- The end of a command that was given out and has not expired.
update vending.devicecommand c
   set state = $3, result = $4, finished_at_ms = $5, updated_at_ms = $5
  from vending.machine m
 where c.id = $2::int and m.id = c.machine and (m.id = $1::int or m.gateway = $1::int)
   and c.state = 'delivered' and c.expires_at_ms > $5::bigint
returning c.id

-- name: command_state
-- The state of a command that was meant for this gateway.
select c.state
  from vending.devicecommand c join vending.machine m on m.id = c.machine
 where c.id = $2::int and (m.id = $1::int or m.gateway = $1::int)
