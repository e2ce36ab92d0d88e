-- Lists by area in the order in which they are read (isp.md E21, E22): what is to be collected, and
-- from whom, knows the area of the home; 0 is none. Whoever writes either, or a home, has locked
-- the subscriber, so none misses the other.

alter table isp.collection_assignment add area bigint not null default 0;
alter table isp.payment_collection add area bigint not null default 0;

update isp.collection_assignment c set area = l.area
  from isp.location l where l.subscriber = c.subscriber and l.area is not null;
update isp.payment_collection p set area = l.area
  from isp.location l
 where l.subscriber = p.subscriber and l.area is not null and p.state = 'pending';

create index collection_assignment_area on isp.collection_assignment (admin, area, subscriber);
create index payment_collection_area
  on isp.payment_collection (account, area, id) where state = 'pending';

create function isp.begin_at_home() returns trigger language plpgsql as $$
begin
  new.area := coalesce(
    (select l.area from isp.location l where l.subscriber = new.subscriber), 0);
  return new;
end
$$;
create trigger collection_assignment_at_home before insert on isp.collection_assignment
  for each row execute function isp.begin_at_home();
create trigger payment_collection_at_home before insert on isp.payment_collection
  for each row execute function isp.begin_at_home();

create function isp.follow_home() returns trigger language plpgsql as $$
declare
  moved bigint := case when tg_op = 'DELETE' then old.subscriber else new.subscriber end;
  home bigint := case when tg_op = 'DELETE' then 0 else coalesce(new.area, 0) end;
begin
  update isp.collection_assignment set area = home where subscriber = moved;
  update isp.payment_collection set area = home where subscriber = moved and state = 'pending';
  return null;
end
$$;
create trigger location_is_followed after insert or update of area or delete
  on isp.location for each row execute function isp.follow_home();
