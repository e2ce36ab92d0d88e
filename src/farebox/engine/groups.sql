-- Groups of subscribers with their counts.

-- name: list
-- Groups of an account, or those asked for ($3); counts leave out whoever is deleted. Whoever is
-- online is found apart, so that his session is looked up or all are gone through, as it pays; a
-- session counts as open for so long after it was heard of ($4).
with asked as (
  select * from isp.user_group where account = $2 and ($3::bigint[] is null or id = any($3))
), counted as (
  select s.user_group, count(*) as total,
         count(*) filter (where isp.effective(s.status, s.expires_at_ms, $1) = 'active') as active
    from asked a join isp.subscriber s on s.user_group = a.id and s.status <> 'deleted'
   group by s.user_group
), present as (
  select s.user_group, count(*) as online
    from asked a join isp.subscriber s on s.user_group = a.id and s.status <> 'deleted'
   where exists (
     select from isp.session o
      where o.subscriber = s.id and o.stopped_at_ms is null
        and o.updated_at_ms >= $1::bigint - $4::bigint)
   group by s.user_group
)
select g.id, g.name, g.profile, p.name as profile_name,
       g.allowed_for_move and not p.deactivated as is_allowed,
       coalesce(c.active, 0) as active, coalesce(c.total, 0) as total,
       coalesce(n.online, 0) as online
  from asked g
  join isp.profile p on p.id = g.profile
  left join counted c on c.user_group = g.id
  left join present n on n.user_group = g.id
 order by g.id
