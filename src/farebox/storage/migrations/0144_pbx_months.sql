-- Months of calls that are over can be put in the order in which they are asked for: a tenant's
-- calls beside each other, by their start. Calls come in order of time, so that a page of a
-- database with a thousand tenants has hardly two calls of one, and a history read a page of the
-- disk for nearly every call of it.
--
-- A month is copied in order beside itself while everybody uses it. What changes meanwhile is noted
-- by a trigger and done again to the copy, which then takes the month's place.

-- The partitions that were put in order.
create table pbx.month_in_order (part text primary key, at_ms bigint not null);

-- The places of calls that came, went or changed while their month was copied.
create table pbx.cdr_changed (start_ms bigint not null, id bigint not null);

create function pbx.note_change() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    insert into pbx.cdr_changed values (old.start_ms, old.id);
  end if;
  if tg_op <> 'DELETE' then
    insert into pbx.cdr_changed values (new.start_ms, new.id);
  end if;
  return null;
end $$;

-- The latest month that ended before an instant, is not in order and has at least so many bytes.
create function pbx.month_to_order(before_ms bigint, least_bytes bigint)
returns table (part text, from_ms bigint, until_ms bigint) language sql stable as $$
  select p.part, p.span[1]::bigint, p.span[2]::bigint
    from (select c.oid, c.relname::text as part,
                 regexp_match(pg_get_expr(c.relpartbound, c.oid),
                              'FROM \(''?(\d+)''?\) TO \(''?(\d+)''?\)') as span
            from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'pbx.cdr'::regclass) p
   where p.span[2]::bigint <= before_ms and pg_relation_size(p.oid) >= least_bytes
     and p.part not in (select o.part from pbx.month_in_order o)
   order by p.span[1]::bigint desc limit 1
$$;

-- From now on changes of a month are noted, and there is an empty table for its copy. What an
-- attempt that was broken off has left goes away.
create function pbx.begin_copy(part text, from_ms bigint, until_ms bigint)
returns void language plpgsql as $$
declare
  noted regclass;
begin
  for noted in select t.tgrelid from pg_trigger t where t.tgname = 'cdr_noted' loop
    execute format('drop trigger cdr_noted on %s', noted);
  end loop;
  delete from pbx.cdr_changed;
  execute format('drop table if exists pbx.%I', part || '_copy');
  execute format(
    'create table pbx.%I (like pbx.cdr including defaults including constraints,'
    ' constraint in_month check (start_ms >= %s and start_ms < %s))',
    part || '_copy', from_ms, until_ms);
  execute format(
    'create trigger cdr_noted after insert or update or delete on pbx.%I'
    ' for each row execute function pbx.note_change()', part);
end $$;

-- The copy, its indexes and what the planner has to know of it. An index is no way to sort millions
-- of calls that lie anywhere.
create function pbx.fill_copy(part text) returns void language plpgsql
set enable_indexscan = off set work_mem = '64MB' as $$
declare
  definition text;
begin
  execute format('insert into pbx.%I select * from pbx.%I order by tenant, start_ms, id',
                 part || '_copy', part);
  for definition in
    select pg_get_indexdef(i.indexrelid) from pg_index i where i.indrelid = 'pbx.cdr'::regclass
  loop
    execute regexp_replace(definition, '^CREATE (UNIQUE )?INDEX \S+ ON ONLY \S+',
                           format('create \1index on pbx.%I', part || '_copy'));
  end loop;
  execute format('analyze pbx.%I', part || '_copy');
end $$;

-- The copy takes the month's place, with all that was noted. Readers and writers wait that long;
-- they lock the whole before its parts, and so does this.
create function pbx.use_copy(part text, from_ms bigint, until_ms bigint, now_ms bigint)
returns void language plpgsql as $$
begin
  lock table only pbx.cdr in access exclusive mode;
  execute format('lock table pbx.%I in access exclusive mode', part);
  execute format(
    'delete from pbx.%I c using (select distinct start_ms, id from pbx.cdr_changed) g'
    ' where c.start_ms = g.start_ms and c.id = g.id', part || '_copy');
  execute format(
    'insert into pbx.%I select c.* from (select distinct start_ms, id from pbx.cdr_changed) g'
    ' join pbx.%I c on c.start_ms = g.start_ms and c.id = g.id order by c.tenant, c.start_ms, c.id',
    part || '_copy', part);
  execute format('alter table pbx.cdr detach partition pbx.%I', part);
  execute format('drop table pbx.%I', part);
  execute format('alter table pbx.%I rename to %I', part || '_copy', part);
  execute format('alter table pbx.cdr attach partition pbx.%I for values from (%s) to (%s)',
                 part, from_ms, until_ms);
  execute format('alter table pbx.%I drop constraint in_month', part);
  delete from pbx.cdr_changed;
  insert into pbx.month_in_order values (part, now_ms);
end $$;
