-- Monthly partitions of the tables that grow with time.

-- Makes the partition `part` of `parent` for [from_ms, to_ms) and moves what already landed in the
-- default partition `rest`. Returns 'there' when it exists, 'made', or 'crowded' when more than
-- move_limit rows would have to move: inserts wait while rows move, so a crowded month stays where
-- it is until somebody asks again with a higher limit.
create function farebox.make_month(
  parent regclass, rest regclass, part text, from_ms bigint, to_ms bigint, move_limit bigint
) returns text language plpgsql as $$
declare
  home text := (
    select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = parent
  );
  target text := format('%I.%I', home, part);
  waiting bigint;
begin
  if to_regclass(target) is not null then
    return 'there';
  end if;
  -- Inserts wait at the parent, where they choose their partition anew afterwards: one that had
  -- chosen the default partition already would be refused by its new bounds.
  execute format('lock table %s in share row exclusive mode', parent);
  execute format('lock table %s in access exclusive mode', rest);
  execute format(
    'select count(*) from'
    ' (select from %s where created_at_ms >= $1 and created_at_ms < $2 limit $3) found',
    rest) into waiting using from_ms, to_ms, move_limit + 1;
  if waiting > move_limit then
    return 'crowded';
  end if;
  execute format(
    'create table %s (like %s including defaults including constraints including indexes)',
    target, parent);
  execute format(
    'with moved as (delete from %s where created_at_ms >= $1 and created_at_ms < $2 returning *)'
    ' insert into %s select * from moved', rest, target) using from_ms, to_ms;
  execute format(
    'alter table %s attach partition %s for values from (%s) to (%s)',
    parent, target, from_ms, to_ms);
  return 'made';
end
$$;
