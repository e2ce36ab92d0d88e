-- What devices report: sales, payments, logs, events (vending-platform.md 2.8, 3.16, 4.8;
-- vending-commerce.md 2.1-2.3), and what makes a repeated report change nothing.

-- The four record tables are partitioned by month of the event, as reports ask for it; a default
-- partition takes what no month was made for, such as records of a device that was offline for a
-- year. They refer to machines and places without foreign keys: a record outlives both, and its
-- place is the one at the time of the report.

-- Makes the partition `part` as before, by whatever column the table is partitioned by.
create or replace function farebox.make_month(
  parent regclass, rest regclass, part text, from_ms bigint, to_ms bigint, move_limit bigint
) returns text language plpgsql as $$
declare
  home text := (
    select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = parent
  );
  target text := format('%I.%I', home, part);
  span text := (
    select format('%1$I >= $1 and %1$I < $2', a.attname)
    from pg_partitioned_table p
    join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = parent
  );
  moving bool;
  waiting bigint;
begin
  if to_regclass(target) is not null then
    return 'there';
  end if;
  execute format('select exists (select from %s where %s)', rest, span)
    into moving using from_ms, to_ms;
  if moving then
    -- Readers wait too: one that had listed the partitions already would find the rows in none.
    execute format('lock table only %s in access exclusive mode', parent);
  else
    -- Inserts wait at the parent, where they choose their partition anew afterwards: one that had
    -- chosen the default partition already would be refused by its new bounds.
    execute format('lock table %s in share row exclusive mode', parent);
  end if;
  execute format('lock table %s in access exclusive mode', rest);
  execute format('select count(*) from (select from %s where %s limit $3) found', rest, span)
    into waiting using from_ms, to_ms, move_limit + 1;
  if waiting > move_limit then
    return 'crowded';
  end if;
  if waiting > 0 and not moving then
    -- They came between the look and the lock.
    execute format('lock table only %s in access exclusive mode', parent);
  end if;
  execute format(
    'create table %s (like %s including defaults including constraints including indexes)',
    target, parent);
  execute format(
    'with moved as (delete from %s where %s returning *) insert into %s select * from moved',
    rest, span, target) using from_ms, to_ms;
  execute format(
    'alter table %s attach partition %s for values from (%s) to (%s)',
    parent, target, from_ms, to_ms);
  return 'made';
end
$$;

-- Ids are taken when a key is stored, before the rows are written.
create sequence vending.revenuetransaction_id;
create sequence vending.paymenttransaction_id;
create sequence vending.log_id;
create sequence vending.iotevent_id;

create table vending.revenuetransaction (
  id bigint not null default nextval('vending.revenuetransaction_id'),
  -- Number of the row in the machine; null for a row that no machine sent.
  remote bigint,
  machine int not null,
  location int not null,
  time_zone text not null,
  occurred_at_ms bigint not null,
  -- Null: no product, flavour or extra of the machine had this plu.
  product int,
  plu int,
  name text not null,
  internal_ref text,
  barcode text,
  price int not null,                 -- cents; negative for a refund
  original_price int not null default 0,
  currency text not null,             -- ISO 4217 alpha code
  token text,
  salestype int not null default 0,
  pricelist int not null default 0,
  usergroup int not null default 0,
  num_paymenttransactions smallint not null default 0,
  -- All of its payments are to be left out of reports, and there is at least one.
  excluded bool not null default false,
  created_at_ms bigint not null,
  updated_at_ms bigint not null,
  primary key (id, occurred_at_ms)
) partition by range (occurred_at_ms);
create index revenuetransaction_by_machine
  on vending.revenuetransaction (machine, occurred_at_ms, id);
create index revenuetransaction_by_location
  on vending.revenuetransaction (location, occurred_at_ms, id);
create table vending.revenuetransaction_rest partition of vending.revenuetransaction default;

create table vending.paymenttransaction (
  id bigint not null default nextval('vending.paymenttransaction_id'),
  revenuetransaction bigint not null,
  machine int not null,
  location int not null,
  time_zone text not null,
  -- That of the sale.
  occurred_at_ms bigint not null,
  method text not null,               -- cash, card, code, virtual, token
  type text not null,
  price int not null,
  currency text not null,
  exclude bool not null default false,
  report_group text,
  created_at_ms bigint not null,
  updated_at_ms bigint not null,
  primary key (id, occurred_at_ms)
) partition by range (occurred_at_ms);
create index paymenttransaction_by_sale on vending.paymenttransaction (revenuetransaction);
create index paymenttransaction_by_machine
  on vending.paymenttransaction (machine, occurred_at_ms, id);
create table vending.paymenttransaction_rest partition of vending.paymenttransaction default;

create table vending.log (
  id bigint not null default nextval('vending.log_id'),
  -- Null for what the server noticed itself (CM_OFFLINE).
  remote bigint,
  machine int not null,
  location int not null,
  time_zone text not null,
  occurred_at_ms bigint not null,
  code text not null,
  error_identity int,
  type int not null default 1,
  -- Something that lasts until it is resolved; never true of the record that clears another.
  is_resolvable bool not null default false,
  resolved_at_ms bigint,
  duration int,                       -- whole seconds, once resolved
  state text,
  extra_data text,
  created_at_ms bigint not null,
  primary key (id, occurred_at_ms),
  constraint log_state_known check (state in ('set', 'clear')),
  constraint log_resolution_whole check ((resolved_at_ms is null) = (duration is null))
) partition by range (occurred_at_ms);
create index log_by_machine on vending.log (machine, occurred_at_ms, id);
create index log_by_location on vending.log (location, occurred_at_ms, id);
create index log_open on vending.log (machine, code, occurred_at_ms)
  where is_resolvable and resolved_at_ms is null;
create index log_resolved on vending.log (machine, resolved_at_ms)
  where resolved_at_ms is not null;
create table vending.log_rest partition of vending.log default;

create table vending.iotevent (
  id bigint not null default nextval('vending.iotevent_id'),
  remote bigint,
  machine int not null,
  location int not null,
  time_zone text not null,
  occurred_at_ms bigint not null,
  name text not null,
  -- JSON text.
  value text not null,
  created_at_ms bigint not null,
  primary key (id, occurred_at_ms)
) partition by range (occurred_at_ms);
create index iotevent_by_machine on vending.iotevent (machine, occurred_at_ms, id);
create table vending.iotevent_rest partition of vending.iotevent default;

-- What was stored already. Not partitioned: this uniqueness carries no time, and a record may come
-- again after years. Kept as long as its row, archived ones included.
create table vending.ingest_key (
  machine int not null,
  stream smallint not null,           -- 1 revenuetransaction, 2 log, 3 iotevent
  remote bigint not null,
  -- Of the record as it was told, in one canonical form.
  hash bigint not null,
  row_id bigint not null,
  primary key (machine, stream, remote),
  constraint ingest_key_stream_known check (stream between 1 and 3)
);

-- Rejected records, once each.
create table vending.dead_letter (
  id bigint generated always as identity primary key,
  gateway int not null references vending.machine on delete cascade,
  -- Null: the record named no machine that the gateway speaks for.
  machine int references vending.machine on delete cascade,
  stream smallint not null,
  remote bigint,
  hash bigint not null,
  reason text not null,
  record text not null,
  created_at_ms bigint not null,
  constraint dead_letter_stream_known check (stream between 1 and 3)
);
create unique index dead_letter_once
  on vending.dead_letter (stream, coalesce(machine, -gateway), coalesce(remote, 0), hash);
create index dead_letter_age on vending.dead_letter (created_at_ms);

-- What a device last said about itself.
create table vending.device_report (
  machine int primary key references vending.machine on delete cascade,
  uptime bigint,
  firmware text,
  signal int,
  -- What it said when it acknowledged a configuration.
  config_message text,
  at_ms bigint not null
);

-- When the sale happened that told the remote price: reports come in any order.
alter table vending.product add column remote_price_at_ms bigint;
