-- Quotas of many subscribers at once (isp.md 4.3, 4.10).

-- name: patience
-- Lets the statements of this transaction run longer than usual, and join everybody in memory. What
-- is read at once is read over connections of its own, each by one process.
select set_config('statement_timeout', '600s', true), set_config('work_mem', '64MB', true),
       set_config('max_parallel_workers_per_gather', '0', true)

-- name: accounts
-- The account and all below it, with the settings of each and the rows of a kind at most.
select a.id, a.alert_thresholds, a.time_zone, a.session_silence_s,
       (select count(*) from isp.subscriber s where s.account = a.id) as subscribers
  from isp.account a where a.id in (select isp.subtree($1)) order by a.id

-- name: middle
-- An id with about half of an account's subscribers below it.
select (min(id) + max(id)) / 2 from isp.subscriber where account = $1

-- name: policies
-- The policies of a kind ($2) that subscribers of an account ($1) can be under: those of groups,
-- and without a group those that subscribers have for themselves.
select g.id as user_group, p.policy from isp.user_group g join isp.profile p on p.id = g.profile
 where $2 = 'bandwidth' and g.account in (select isp.ancestry($1))
union all
select distinct null::bigint, o.policy
  from isp.quota_override o join isp.subscriber s on s.id = o.subscriber
 where o.kind = $2 and s.account = $1

-- name: rows
-- Figures of an account ($1), of a kind ($2) at an instant ($3), where given only of these ids
-- ($5); a session counts as open for so long after it was heard of ($4). Every column but the first
-- has eight bytes and none is null, so that all rows are equally long. Policies of groups ($6 to
-- $8: group, place, whether windows are billing cycles), of subscribers ($9 to $11) and zones ($12)
-- are told by their places; $13 is that of the account's zone. Only where a policy has windows that
-- are cycles ($14) are these looked up. Ids are from $15 to below $16, where these are given; the
-- written figures say so on their own, or each half would read those of everybody. Bits
-- of the first: 1 the row is settled and its cycle still lasts, 4 active, 8 online, 16 in a billing
-- cycle.
select ((q.policy_hash = r.terms_hash and q.settled_at_ms >= r.terms_since_ms
          and coalesce(q.time_zone = r.zone, true) and coalesce(g.place, o.place) is not null
          and case when r.own_zone is null then $13::bigint else z.place end is not null
          and (c.end_ms is null or $3 < c.end_ms or r.expires_at_ms <= c.end_ms
               or r.status <> 'active' or c.reset_type not in ('monthly', 'weekly', 'daily')))
         is true)::int::int2
         + (4 * (r.status = 'active')::int + 8 * (n.subscriber is not null)::int
         + 16 * (c.start_ms is not null)::int)::int2,
       r.subscriber,
       coalesce(coalesce(g.place, o.place) * 1024
         + case when r.own_zone is null then $13::bigint else z.place end, 0),
       coalesce(q.topup, 0), coalesce(q.carried, 0), coalesce(q.upload, 0),
       coalesce(q.download, 0), coalesce(q.window_start_ms, 0), coalesce(q.window_end_ms, 0),
       case when n.least = n.most then n.most else 0 end, coalesce(c.start_ms, 0),
       case when c.start_ms is null then 0 else coalesce(c.end_ms, 9223372036854775807) end,
       coalesce(r.expires_at_ms, 9223372036854775807)
  from isp.quota_row r
  left join isp.quota_state q
    on q.subscriber = r.subscriber and q.kind = $2
   and ($5::bigint[] is null or q.subscriber = any($5::bigint[]))
   and ($15::bigint is null or q.subscriber >= $15::bigint)
   and ($16::bigint is null or q.subscriber < $16::bigint)
  left join unnest($6::bigint[], $7::bigint[], $8::bool[]) as g(user_group, place, is_billed)
    on g.user_group = r.user_group and r.own_policy is null
  left join unnest($9::jsonb[], $10::bigint[], $11::bool[]) as o(policy, place, is_billed)
    on o.policy = r.own_policy
  left join unnest($12::text[]) with ordinality as z(zone, place) on z.zone = r.own_zone
  left join (
    select subscriber,
           min(case $2 when 'bandwidth' then applied_template else applied_attributes end) as least,
           max(case $2 when 'bandwidth' then applied_template else applied_attributes end) as most
      from isp.session
     where stopped_at_ms is null and updated_at_ms >= $3::bigint - $4::bigint
       and ($5::bigint[] is null or subscriber = any($5::bigint[]))
       and ($15::bigint is null or subscriber >= $15::bigint)
       and ($16::bigint is null or subscriber < $16::bigint)
     group by subscriber) n on n.subscriber = r.subscriber
  left join lateral (
    select start_ms, end_ms, reset_type from isp.cycle
     where $14::bool and coalesce(g.is_billed, o.is_billed) and subscriber = r.subscriber
       and start_ms <= $3
     order by start_ms desc limit 1) c on true
 where r.account = $1 and r.kind = $2 and r.status <> 'deleted'
   and ($5::bigint[] is null or r.subscriber = any($5::bigint[]))
   and ($15::bigint is null or r.subscriber >= $15::bigint)
   and ($16::bigint is null or r.subscriber < $16::bigint)

-- name: lock
-- Subscribers in the order of their ids.
select id from isp.subscriber where id = any($1::bigint[]) order by id for update

-- name: roll
-- Windows of a kind that the next ones have followed; each is kept beside the one that has begun.
update isp.quota_state q set
  window_start_ms = n.start_ms, window_end_ms = n.end_ms, carried = n.carried,
  upload = 0, download = 0, topup = 0, alerted = 0,
  previous = jsonb_build_object(
    'policy', q.policy,
    'usage', jsonb_build_object(
      'start_ms', q.window_start_ms, 'end_ms', q.window_end_ms, 'upload', q.upload,
      'download', q.download, 'topup', q.topup, 'carried', q.carried)),
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
