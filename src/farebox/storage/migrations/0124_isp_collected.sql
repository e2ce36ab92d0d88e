-- Lists by area of the provider (isp.md E21, E22): where somebody lives, found from either side.

create index location_area on isp.location (area, subscriber);

-- In the order in which a collector's list is read.
create index collection_assignment_order on isp.collection_assignment (admin, subscriber);
drop index isp.collection_assignment_admin;

-- The audit log in the order in which it is read.
create index audit_order on isp.audit (account, id);

-- Who is visited where.
create view isp.resident as
select s.id, s.account, s.status, s.name, s.last_name,
       coalesce(s.person_title, s.name) as person_title, s.phone, s.email, s.address_line1,
       s.address_line2, coalesce(s.time_zone, z.time_zone) as time_zone, l.latitude, l.longitude,
       l.area as area_id, a.name as area, t.name as street, b.name as block
  from isp.subscriber s
  join isp.account z on z.id = s.account
  left join isp.location l on l.subscriber = s.id
  left join isp.area a on a.id = l.area
  left join isp.street t on t.id = l.street
  left join isp.block b on b.id = l.block;

-- What a RADIUS server was told before it let somebody in (isp.md 4.2); a session that begins
-- within ten minutes holds it, by clocks that may differ by one.
create table isp.admission (
  subscriber bigint primary key references isp.subscriber on delete cascade,
  at_ms bigint not null,
  template bigint not null,
  attributes bigint not null
);

create function isp.begin_as_admitted() returns trigger language plpgsql as $$
declare
  told isp.admission;
begin
  select * into told from isp.admission a
   where a.subscriber = new.subscriber
     and a.at_ms between new.started_at_ms - 600000 and new.started_at_ms + 60000;
  if found then
    new.applied_template := told.template;
    new.applied_attributes := told.attributes;
  end if;
  return new;
end
$$;
create trigger session_begins_as_admitted before insert on isp.session
  for each row
  when (new.stopped_at_ms is null and new.applied_template = 0 and new.applied_attributes = 0)
  execute function isp.begin_as_admitted();
