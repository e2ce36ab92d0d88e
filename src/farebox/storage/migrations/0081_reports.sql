-- What reports read beside the records themselves (vending-commerce.md 3.13-3.21).

-- Every zone that a location has ever been in. Records keep the zone of their time, so these are
-- all the zones in which a period of a report can have to be looked up.
create table vending.location_zone (
  location int not null references vending.location on delete cascade,
  time_zone text not null,
  primary key (location, time_zone)
);

create function vending.note_location_zone() returns trigger language plpgsql as $$
begin
  insert into vending.location_zone (location, time_zone) values (new.id, new.time_zone)
  on conflict do nothing;
  return null;
end
$$;
create trigger location_gets_a_zone after insert on vending.location
  for each row execute function vending.note_location_zone();
create trigger location_changes_its_zone after update of time_zone on vending.location
  for each row when (old.time_zone <> new.time_zone)
  execute function vending.note_location_zone();

insert into vending.location_zone (location, time_zone)
select l.id, l.time_zone from vending.location l
union
select r.location, r.time_zone
from vending.revenuetransaction r join vending.location l on l.id = r.location
union
select g.location, g.time_zone
from vending.log g join vending.location l on l.id = g.location;

create index paymenttransaction_by_location
  on vending.paymenttransaction (location, occurred_at_ms, id);

-- The locations that groups own, or were assigned directly or through a location group.
create function vending.locations_seen(groups int[]) returns setof int language sql stable as $$
  select l.id from vending.location l where l.owner = any(groups)
  union
  select a.location from vending.usergroup_location a where a.usergroup = any(groups)
  union
  select m.location
    from vending.usergroup_locationgroup a
    join vending.locationgroup_location m on m.locationgroup = a.locationgroup
   where a.usergroup = any(groups)
$$;

-- What an error identity is called in a user's language: in the words of the user's group, else of
-- the nearest group above it, else in everybody's; without any, the word that it is known by.
create function vending.error_word(identity int, reader int) returns text language sql stable as $$
  with recursive above as (
    select g.id, g.parent, 1 as step
      from vending.users u join vending.usergroup g on g.id = u.owner
     where u.id = reader
    union all
    select g.id, g.parent, a.step + 1
      from above a join vending.usergroup g on g.id = a.parent where a.step < 32
  )
  select coalesce((
    select t.value
      from vending.users u
      join vending.translation t on t.language = u.language and t.key = e.error
      left join above a on a.id = t.owner
     where u.id = reader and t.value is not null and (t.owner is null or a.id is not null)
     order by a.step nulls last
     limit 1), e.error)
    from vending.erroridentity e
   where e.id = identity
$$;
