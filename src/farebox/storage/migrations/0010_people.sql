-- Rotation of refresh tokens, and word to every process when what a token stands on changes.

-- Exchanges a live refresh token for a fresh one (vending-platform.md 4.1). The family's row is
-- locked first, so of parallel calls with one token one rotates it and at most one more is graced.
-- outcome: 'rotated', 'revoked', 'expired', 'reused'; the last has revoked the family.
create function vending.rotate_refresh(
  asked uuid, fresh uuid, now_ms bigint, life_ms bigint, grace_ms bigint,
  out outcome text, out person int, out family uuid, out ends_at_ms bigint
) language plpgsql as $$
declare
  held vending.token_family;
  token vending.refresh_token;
begin
  select f.* into held from vending.token_family f
   where f.id = (select t.family from vending.refresh_token t where t.jti = asked)
     for update;
  if not found or held.revoked_at_ms is not null then
    outcome := 'revoked';
    return;
  end if;
  -- Read after the lock, with a snapshot of its own: what an earlier call wrote is seen.
  select t.* into token from vending.refresh_token t where t.jti = asked;
  if now_ms >= least(token.expires_at_ms, held.expires_at_ms) then
    outcome := 'expired';
    return;
  end if;
  if token.rotated_at_ms is not null then
    if token.graced or now_ms - token.rotated_at_ms > grace_ms then
      update vending.token_family f set revoked_at_ms = now_ms where f.id = held.id;
      outcome := 'reused';
      return;
    end if;
    update vending.refresh_token t set graced = true where t.jti = asked;
  end if;
  update vending.refresh_token t set rotated_at_ms = now_ms
   where t.family = held.id and t.rotated_at_ms is null;
  outcome := 'rotated';
  person := held.users;
  family := held.id;
  ends_at_ms := least(now_ms + life_ms, held.expires_at_ms);
  insert into vending.refresh_token (jti, family, issued_at_ms, expires_at_ms)
  values (fresh, held.id, now_ms, ends_at_ms);
end
$$;

-- Says on channel farebox_access which subject has changed: 'user:2', 'group:3', 'family:<uuid>'.
create function vending.notify_access() returns trigger language plpgsql as $$
begin
  perform pg_notify('farebox_access',
                    tg_argv[0] || ':' || case when tg_op = 'DELETE' then old.id else new.id end);
  return null;
end
$$;

create trigger users_changed after update of username, owner, token_version, disabled_at_ms
  on vending.users for each row
  when ((old.username, old.owner, old.token_version, old.disabled_at_ms)
        is distinct from (new.username, new.owner, new.token_version, new.disabled_at_ms))
  execute function vending.notify_access('user');
create trigger users_gone after delete on vending.users
  for each row execute function vending.notify_access('user');

create trigger usergroup_changed after update of parent, admin, permissions, disabled_at_ms, deleted
  on vending.usergroup for each row
  when ((old.parent, old.admin, old.permissions, old.disabled_at_ms, old.deleted)
        is distinct from (new.parent, new.admin, new.permissions, new.disabled_at_ms, new.deleted))
  execute function vending.notify_access('group');
-- A new group is below its ancestors from the first moment.
create trigger usergroup_made after insert or delete on vending.usergroup
  for each row execute function vending.notify_access('group');

create trigger token_family_changed after update of revoked_at_ms on vending.token_family
  for each row when (old.revoked_at_ms is distinct from new.revoked_at_ms)
  execute function vending.notify_access('family');
create trigger token_family_gone after delete on vending.token_family
  for each row when (old.revoked_at_ms is null) execute function vending.notify_access('family');

create trigger device_key_changed after update of revoked_at_ms on vending.device_key
  for each row when (old.revoked_at_ms is distinct from new.revoked_at_ms)
  execute function vending.notify_access('key');
create trigger device_key_gone after delete on vending.device_key
  for each row execute function vending.notify_access('key');

create trigger machine_changed after update of hostname, location on vending.machine for each row
  when ((old.hostname, old.location) is distinct from (new.hostname, new.location))
  execute function vending.notify_access('machine');

-- Whether a group or one above it is disabled or deleted.
create function vending.is_group_closed(asked int) returns bool language sql stable as $$
  with recursive above as (
    select g.id, g.parent, g.deleted or g.disabled_at_ms is not null as closed, 1 as step
      from vending.usergroup g where g.id = asked
    union all
    select g.id, g.parent, g.deleted or g.disabled_at_ms is not null, a.step + 1
      from vending.usergroup g join above a on g.id = a.parent where a.step < 32
  )
  select coalesce(bool_or(closed), true) from above
$$;
