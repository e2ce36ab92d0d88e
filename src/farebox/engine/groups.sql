-- Groups of subscribers with their counts.

-- name: list
-- Groups of an account, or those asked for ($3); counts leave out whoever is deleted.
select g.id, g.name, g.profile, p.name as profile_name,
       g.allowed_for_move and not p.deactivated as is_allowed,
       count(s.id) filter (where isp.effective(s.status, s.expires_at_ms, $1) = 'active')
         as active,
       count(s.id) as total,
       count(s.id) filter (where exists (
         select from isp.session o
          where o.subscriber = s.id and o.stopped_at_ms is null
            and o.updated_at_ms >= $1::bigint - $4::bigint)) as online
  from isp.user_group g
  join isp.profile p on p.id = g.profile
  left join isp.subscriber s on s.user_group = g.id and s.status <> 'deleted'
 where g.account = $2 and ($3::bigint[] is null or g.id = any($3))
 group by g.id, p.id
 order by g.id
