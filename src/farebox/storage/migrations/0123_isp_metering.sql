-- Figures of subscribers while the network reports and shared terms change (isp.md 4.2, 4.4).

-- The counters of an open session change all the time: no index holds what changes with them, and
-- pages keep room for the next version of a row, so an update of counters touches its page alone.
drop index isp.session_open;
create index session_open on isp.session (subscriber) where stopped_at_ms is null;
create index session_device on isp.session (nas) where stopped_at_ms is null;
alter table isp.session set (fillfactor = 75);
alter table isp.quota_state set (fillfactor = 75);
alter table isp.usage_day set (fillfactor = 75);
alter table isp.cycle set (fillfactor = 75);

-- Zone and instant up to which the figures follow from what has happened; no zone: the present one.
alter table isp.quota_state
  add time_zone text,
  add settled_at_ms bigint not null default 0;

-- What many subscribers share is kept as it was, so that figures written before a change go on
-- under the old terms up to its instant: a row held until `until_ms`, not at it.
alter table isp.profile add policy_since_ms bigint not null default 0;
alter table isp.user_group add profile_since_ms bigint not null default 0;
alter table isp.account add zone_since_ms bigint not null default 0;

create table isp.profile_past (
  profile bigint not null references isp.profile on delete cascade,
  until_ms bigint not null,
  policy jsonb not null,
  primary key (profile, until_ms)
);
create table isp.user_group_past (
  user_group bigint not null references isp.user_group on delete cascade,
  until_ms bigint not null,
  profile bigint not null references isp.profile on delete cascade,
  primary key (user_group, until_ms)
);
create table isp.account_past (
  account text not null references isp.account on delete cascade,
  until_ms bigint not null,
  time_zone text not null,
  primary key (account, until_ms)
);

create function isp.keep_policy() returns trigger language plpgsql as $$
begin
  insert into isp.profile_past values (old.id, new.updated_at_ms, old.policy)
  on conflict do nothing;
  new.policy_since_ms := new.updated_at_ms;
  return new;
end $$;
create trigger profile_policy_kept before update on isp.profile
  for each row when (old.policy is distinct from new.policy) execute function isp.keep_policy();

create function isp.keep_profile() returns trigger language plpgsql as $$
begin
  insert into isp.user_group_past values (old.id, new.updated_at_ms, old.profile)
  on conflict do nothing;
  new.profile_since_ms := new.updated_at_ms;
  return new;
end $$;
create trigger user_group_profile_kept before update on isp.user_group
  for each row when (old.profile is distinct from new.profile) execute function isp.keep_profile();

-- The policy of a group, and the zone of an account, at an instant.
create function isp.policy_at(of_group bigint, at_ms bigint) returns jsonb
language sql stable as $$
  with held as (
    select coalesce(
      (select p.profile from isp.user_group_past p
        where p.user_group = of_group and p.until_ms > at_ms order by p.until_ms limit 1),
      (select g.profile from isp.user_group g where g.id = of_group)) as profile
  )
  select coalesce(
    (select p.policy from isp.profile_past p
      where p.profile = h.profile and p.until_ms > at_ms order by p.until_ms limit 1),
    (select p.policy from isp.profile p where p.id = h.profile))
    from held h
$$;

create function isp.zone_at(of_account text, at_ms bigint) returns text
language sql stable as $$
  select coalesce(
    (select p.time_zone from isp.account_past p
      where p.account = of_account and p.until_ms > at_ms order by p.until_ms limit 1),
    (select a.time_zone from isp.account a where a.id = of_account))
$$;

-- When terms that a group of an account shares have changed after an instant.
create function isp.turns(of_group bigint, of_account text, after_ms bigint) returns setof bigint
language sql stable as $$
  select p.until_ms from isp.user_group_past p
   where p.user_group = of_group and p.until_ms > after_ms
  union
  select p.until_ms from isp.profile_past p
   where p.until_ms > after_ms and p.profile in (
     select g.profile from isp.user_group g where g.id = of_group
     union all
     select o.profile from isp.user_group_past o
      where o.user_group = of_group and o.until_ms > after_ms)
  union
  select p.until_ms from isp.account_past p
   where p.account = of_account and p.until_ms > after_ms
$$;

-- What the network reports of names that nobody has yet, kept for the days in which they may come.
create table isp.usage_waiting (
  id bigint generated always as identity primary key,
  account text not null references isp.account on delete cascade,
  username text not null,
  record jsonb not null,
  received_at_ms bigint not null
);
create index usage_waiting_name on isp.usage_waiting (account, username);
create index usage_waiting_age on isp.usage_waiting (received_at_ms);

-- A subscriber's figures of a kind beside the terms that apply to him now. They are settled where
-- they were written under these terms and nothing that he shares has changed since.
create view isp.quota_row as
select s.id as subscriber, 'bandwidth'::text as kind, s.account, s.user_group, s.status,
       s.expires_at_ms, s.created_at_ms, s.time_zone as own_zone, o.policy as own_policy,
       coalesce(s.time_zone, a.time_zone) as zone, coalesce(o.policy, p.policy) as policy,
       coalesce(o.effective_from_ms, greatest(
         s.group_since_ms, g.profile_since_ms, p.policy_since_ms, p.created_at_ms)) as since_ms,
       a.alert_thresholds, p.billing_reset_type, q.window_start_ms, q.window_end_ms, q.upload,
       q.download, q.topup, q.carried, q.policy as written_policy,
       coalesce(q.time_zone, s.time_zone, a.time_zone) as written_zone,
       q.effective_from_ms as written_since_ms, q.settled_at_ms, q.previous, q.version,
       q.policy = coalesce(o.policy, p.policy)
         and q.settled_at_ms >= case when o.policy is null
           then greatest(g.profile_since_ms, p.policy_since_ms, a.zone_since_ms)
           else a.zone_since_ms end
         and coalesce(q.time_zone = coalesce(s.time_zone, a.time_zone), true) as is_settled
  from isp.subscriber s
  join isp.account a on a.id = s.account
  join isp.user_group g on g.id = s.user_group
  join isp.profile p on p.id = g.profile
  left join isp.quota_override o on o.subscriber = s.id and o.kind = 'bandwidth'
  left join isp.quota_state q on q.subscriber = s.id and q.kind = 'bandwidth'
union all
select s.id, 'vendor', s.account, s.user_group, s.status, s.expires_at_ms, s.created_at_ms,
       s.time_zone, o.policy, coalesce(s.time_zone, a.time_zone), o.policy, o.effective_from_ms,
       a.alert_thresholds, p.billing_reset_type, q.window_start_ms, q.window_end_ms, q.upload,
       q.download, q.topup, q.carried, q.policy,
       coalesce(q.time_zone, s.time_zone, a.time_zone), q.effective_from_ms, q.settled_at_ms,
       q.previous, q.version,
       q.policy = o.policy and q.settled_at_ms >= a.zone_since_ms
         and coalesce(q.time_zone = coalesce(s.time_zone, a.time_zone), true)
  from isp.quota_override o
  join isp.subscriber s on s.id = o.subscriber
  join isp.account a on a.id = s.account
  join isp.user_group g on g.id = s.user_group
  join isp.profile p on p.id = g.profile
  left join isp.quota_state q on q.subscriber = s.id and q.kind = 'vendor'
 where o.kind = 'vendor';
