-- Whom a batch of usage is about.

-- name: lock
-- Subscribers by accounts ($1) and names of each, divided by U+001F ($2), locked in the order of
-- their ids, one batch at a time for each. Whether they are active is 4 or 0.
select coalesce(array_agg(id), '{}'), coalesce(array_agg(account), '{}'),
       coalesce(array_agg(username), '{}'), coalesce(array_agg(user_group), '{}'),
       coalesce(array_agg(time_zone), '{}'),
       coalesce(array_agg(4 * (status = 'active')::int), '{}'),
       coalesce(array_agg(coalesce(expires_at_ms, 9223372036854775807)), '{}')
  from (
    select s.* from isp.subscriber s
     where s.status <> 'deleted' and s.id = any(array(
       select o.id from unnest($1::text[], $2::text[]) as n(account, names)
         join isp.subscriber o
           on o.account = n.account and o.username = any(string_to_array(n.names, chr(31)))
          and o.status <> 'deleted'))
     order by s.id for no key update of s) locked

-- name: lock_owners
-- The same by ids.
select coalesce(array_agg(id), '{}'), coalesce(array_agg(account), '{}'),
       coalesce(array_agg(username), '{}'), coalesce(array_agg(user_group), '{}'),
       coalesce(array_agg(time_zone), '{}'),
       coalesce(array_agg(4 * (status = 'active')::int), '{}'),
       coalesce(array_agg(coalesce(expires_at_ms, 9223372036854775807)), '{}')
  from (
    select s.* from isp.subscriber s
     where s.id = any($1::bigint[]) order by s.id for no key update of s) locked

-- name: terms
-- What those of an account, a group and maybe a zone of their own share, in this order.
select coalesce(n.zone, a.time_zone), p.policy_hash,
       greatest(g.profile_since_ms, p.policy_since_ms, a.zone_since_ms), a.zone_since_ms,
       1000 * a.session_silence_s
  from unnest($1::text[], $2::bigint[], $3::text[]) with ordinality as n(account, grp, zone, place)
  join isp.account a on a.id = n.account
  join isp.user_group g on g.id = n.grp
  join isp.profile p on p.id = g.profile
 order by n.place

-- name: by_sets
-- Rows of all are found in one walk through an index and then joined.
select set_config('enable_nestloop', 'off', true)

-- name: by_keys
-- Rows of each are found by his key.
select set_config('enable_nestloop', 'on', true)
