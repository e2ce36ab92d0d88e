-- Subscribers as an account sees them; $1 is always this instant.

-- name: get
-- One of an account.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account = $2 and v.id = $3 and v.stored_status <> 'deleted'

-- name: named
-- The one of a name.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account = $2 and v.username = $3 and v.stored_status <> 'deleted'

-- name: ids
-- Ids after an id.
select s.id from isp.subscriber s
 where $1::bigint > 0 and s.account = $2 and s.id > $3 and s.status <> 'deleted'
 order by s.id limit $4

-- name: all
-- Everybody after an id.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account = $2 and v.id > $3 and v.stored_status <> 'deleted'
 order by v.id limit $4

-- name: created
-- Those created in a span.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account = $2 and v.id > $3 and v.stored_status <> 'deleted'
   and v.created_at_ms >= $5 and v.created_at_ms < $6
 order by v.id limit $4

-- name: modified
-- Those modified in a span.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account = $2 and v.id > $3 and v.stored_status <> 'deleted'
   and v.updated_at_ms >= $5 and v.updated_at_ms < $6
 order by v.id limit $4

-- name: phoned
-- Those of some accounts with a number; without a status all but the deleted.
select * from (
  select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
    from isp.subscriber_view v
   where v.account = any($2::text[]) and v.id > $3 and v.phone_key = $5
) found
where case when $6::text is null then status <> 'deleted' else status = $6 end
order by id limit $4

-- name: presence
-- The end of the last session that ended, and whether one is open by the rule of an account ($3).
select (select max(stopped_at_ms) from isp.session where subscriber = $2) as stopped_at_ms,
       exists (select from isp.session
                where subscriber = $2 and stopped_at_ms is null
                  and updated_at_ms >= $1::bigint - 1000 * (
                    select session_silence_s from isp.account where id = $3)) as is_online

-- name: silence
-- For how long a session counts as open after it was heard of.
select 1000 * session_silence_s from isp.account where id = $1

-- name: be_thorough
-- Who goes through a whole account takes longer than other calls, and the way that suits its size.
select set_config('statement_timeout', '10s', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: kinds
-- How many subscribers of an account are alike: effective status, whether they expire within a span
-- ($3), and whether they have come within it.
select isp.effective(status, case when is_over then 0 end, 0) as status, is_expiring, is_fresh,
       people
  from (
    select status, expires_at_ms <= $1 as is_over,
           coalesce(expires_at_ms <= $1::bigint + $3::bigint, false) as is_expiring,
           created_at_ms > $1::bigint - $3::bigint and created_at_ms <= $1 as is_fresh,
           count(*) as people
      from isp.subscriber where account = $2 and status <> 'deleted'
     group by 1, 2, 3, 4
  ) alike

-- name: online
-- How many subscribers of an account have a session that is open, and was heard of within a span.
select count(*) from isp.subscriber s
 where s.account = $2 and s.status <> 'deleted' and exists (
   select from isp.session o
    where o.subscriber = s.id and o.stopped_at_ms is null
      and o.updated_at_ms >= $1::bigint - $3::bigint)

-- name: phoned_below
-- Those with a number in an account and all below it.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account in (select isp.subtree($2)) and v.phone_key = $3
   and v.stored_status <> 'deleted'
 order by v.account, v.id

-- name: named_below
-- Those of a name in an account and all below it.
select v.*, isp.effective(v.stored_status, v.expires_at_ms, $1) as status
  from isp.subscriber_view v
 where v.account in (select isp.subtree($2)) and v.username = $3
   and v.stored_status <> 'deleted'
 order by v.account, v.id

-- name: location
-- Where a subscriber lives.
select l.latitude, l.longitude, l.area as area_id, a.name as area, l.street as street_id,
       s.name as street, l.block as block_id, b.name as block
  from isp.location l
  left join isp.area a on a.id = l.area
  left join isp.street s on s.id = l.street
  left join isp.block b on b.id = l.block
 where l.subscriber = $1
