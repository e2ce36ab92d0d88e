-- Quotas of many subscribers at once (isp.md 4.3, 4.10).

-- name: patience
-- Lets the statements of this transaction run longer than usual, planned for their own figures, and
-- sort a stretch in memory.
select set_config('statement_timeout', '60s', true), set_config('work_mem', '32MB', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: accounts
-- The account and all below it, with the thresholds of each and the rows of a kind at most.
select a.id, a.alert_thresholds,
       (select count(*) from isp.subscriber s where s.account = a.id) as subscribers
  from isp.account a where a.id in (select isp.subtree($1)) order by a.id

-- name: columns
-- A stretch of an account ($1) above an id ($2), of so many rows ($3), of a kind ($4) at an instant
-- ($5), where given only of these ids ($7): each column as the bytes of its numbers, highest byte
-- first, in one order. Whose window is not that of his policy, or whose cycle has to go on first,
-- is not among the rows but among `others`.
with picked as materialized (
  select s.id, s.status = 'active' as is_active,
         coalesce(s.expires_at_ms, 9223372036854775807) as expires_ms,
         coalesce(s.time_zone, a.time_zone) as zone,
         case when $4 = 'bandwidth' then coalesce(o.policy, p.policy) else o.policy end as policy
    from isp.subscriber s
    join isp.account a on a.id = s.account
    join isp.user_group g on g.id = s.user_group
    join isp.profile p on p.id = g.profile
    left join isp.quota_override o on o.subscriber = s.id and o.kind = $4
   where s.account = $1 and s.id > $2 and s.status <> 'deleted'
     and ($4 = 'bandwidth' or o.policy is not null)
     and ($7::bigint[] is null or s.id = any($7::bigint[]))
   order by s.id limit $3
), plans as materialized (
  select d.zone, d.policy, (row_number() over ())::int - 1 as ordinal,
         array_position('{data,uploadDownload,always}'::text[], r.mode) - 1 as mode,
         r.mode <> 'always' and r.every in ('daily', 'weekly', 'monthly') as is_calendar,
         r.mode <> 'always' and r.every = 'billing' as is_billing,
         r.excludes_upload::int + 2 * r.carries::int as marks, r.first, r.second, r."limit"
    from (select distinct zone, policy from picked) d
    cross join lateral jsonb_to_record(d.policy) as r(
      mode text, first int, second int, "limit" bigint, every text, excludes_upload bool,
      carries bool)
), told as (
  select u.id, u.expires_ms, w.mode, w.marks + 4 * u.is_active::int
           + 8 * (n.sessions > 0)::int + 16 * (c.start_ms is not null)::int as flags,
         case when w.is_calendar then w.ordinal else -1 end as cal, w.first, w.second, w."limit",
         q.upload, q.download, q.topup, q.carried, q.window_start_ms, q.window_end_ms,
         case when n.least = n.most then n.most else 0 end::int as applied,
         coalesce(c.start_ms, 0) as cycle_start_ms,
         case when c.start_ms is null then 0 else coalesce(c.end_ms, 9223372036854775807) end
           as cycle_end_ms,
         q.policy is not distinct from u.policy
           and (c.end_ms is null or $5 < c.end_ms or $5 >= u.expires_ms or not u.is_active
                or c.reset_type in ('payAsYouGo', 'never')) as is_plain
    from picked u
    join plans w on w.zone = u.zone and w.policy = u.policy
    left join isp.quota_state q on q.subscriber = u.id and q.kind = $4
    cross join lateral (
      select count(*) as sessions,
             min(case $4 when 'bandwidth' then applied_template else applied_attributes end)
               as least,
             max(case $4 when 'bandwidth' then applied_template else applied_attributes end)
               as most
        from isp.session
       where subscriber = u.id and stopped_at_ms is null
         and updated_at_ms >= $5::bigint - $6::bigint) n
    left join lateral (
      select * from isp.cycle where w.is_billing and subscriber = u.id and start_ms <= $5
       order by start_ms desc limit 1) c on true
)
select (select array_agg(zone order by ordinal) from plans) as zones,
       (select array_agg(policy order by ordinal) from plans) as policies,
       (select count(*) from picked) as total, (select max(id) from picked) as last,
       (select array_agg(id) from told where not is_plain) as others,
       string_agg(int8send(id), '') as id,
       string_agg(int2send(mode::int2), '') as mode,
       string_agg(int2send(flags::int2), '') as flags,
       string_agg(int8send("limit"), '') as limit,
       string_agg(int8send(topup), '') as topup,
       string_agg(int8send(carried), '') as carried,
       string_agg(int8send(upload), '') as up,
       string_agg(int8send(download), '') as down,
       string_agg(int8send(window_start_ms), '') as period_start,
       string_agg(int8send(window_end_ms), '') as period_end,
       string_agg(int4send(cal), '') as cal,
       string_agg(int4send(first), '') as t1,
       string_agg(int4send(second), '') as t2,
       string_agg(int4send(applied), '') as applied,
       string_agg(int8send(cycle_start_ms), '') as bill_start,
       string_agg(int8send(cycle_end_ms), '') as bill_end,
       string_agg(int8send(expires_ms), '') as expires
  from told where is_plain

-- name: lock
-- Subscribers in the order of their ids.
select id from isp.subscriber where id = any($1::bigint[]) order by id for update

-- name: roll
-- Windows of a kind that have moved on; the one that has just ended is kept beside the new one.
update isp.quota_state q set
  window_start_ms = n.start_ms, window_end_ms = n.end_ms, carried = n.carried,
  upload = case when q.window_start_ms = n.start_ms then q.upload else 0 end,
  download = case when q.window_start_ms = n.start_ms then q.download else 0 end,
  topup = case when q.window_start_ms = n.start_ms then q.topup else 0 end,
  alerted = case when q.window_start_ms = n.start_ms then q.alerted else 0 end,
  previous = case
    when q.window_start_ms = n.start_ms then q.previous
    when q.window_end_ms = n.start_ms then jsonb_build_object(
      'policy', q.policy,
      'usage', jsonb_build_object(
        'start_ms', q.window_start_ms, 'end_ms', q.window_end_ms, 'upload', q.upload,
        'download', q.download, 'topup', q.topup, 'carried', q.carried)) end,
  version = q.version + 1
from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
  as n (subscriber, start_ms, end_ms, carried)
where q.subscriber = n.subscriber and q.kind = $1

-- name: open
-- Which of these subscribers have a switch of a kind open already.
select subscriber from isp.switch where kind = $1 and subscriber = any($2::bigint[])

-- name: switch
-- Opens switches of a kind, each with the job that tells the network; none where one is open.
with begun as (
  insert into isp.switch (subscriber, kind, since_ms)
  select n, $1, $3 from unnest($2::bigint[]) as n order by n
  on conflict do nothing returning subscriber
), told as (
  insert into farebox.outbox (kind, payload, next_at_ms, created_at_ms)
  select $4, jsonb_build_object('subscriber', b.subscriber, 'kind', $1::text), $3, $3
    from begun b order by b.subscriber
)
select subscriber from begun
