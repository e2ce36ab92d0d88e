-- Usage as the network reports it: who is concerned, and what is kept of the records themselves.

-- name: patience
-- A batch may take longer than a call, and waits for others who are at work on its subscribers.
-- However many they are, each is found by his key: a plan is good for all batches.
select set_config('statement_timeout', '30s', true),
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_nestloop', 'on', true)

-- name: remember
-- Which records with an id are new.
insert into isp.usage_record (account, record_id, created_at_ms)
select n.account, n.record_id, $3 from unnest($1::text[], $2::text[]) as n(account, record_id)
on conflict do nothing returning account, record_id

-- name: forget
-- Ids of records that are too old to come again ($1), and what has waited too long for its name.
with waited as (delete from isp.usage_waiting where received_at_ms < $2)
delete from isp.usage_record where created_at_ms < $1

-- name: below
-- Which of some accounts are an account or lie below it.
select id from isp.subtree($1) as id where id = any($2::text[])

-- name: wait
-- Records of names that nobody has yet, as long as an account does not keep very many.
insert into isp.usage_waiting (account, username, record, received_at_ms)
select n.account, n.username, n.record, $4
  from unnest($1::text[], $2::text[], $3::jsonb[]) as n(account, username, record)
 where (select count(*) from (
   select from isp.usage_waiting w where w.account = n.account limit 100000) kept) < 100000

-- name: come
-- Records whose names somebody has by now, no longer waiting.
delete from isp.usage_waiting where id in (
  select w.id from isp.usage_waiting w
    join isp.subscriber s
      on s.account = w.account and s.username = w.username and s.status <> 'deleted'
   order by w.id limit $1 for update of w skip locked
)
returning id, account, record

-- name: days
-- What a subscriber used, by day.
select day, upload, download from isp.usage_day
 where subscriber = $1 and day >= coalesce($2::date, '-infinity')
   and day <= coalesce($3::date, 'infinity')
 order by day

-- name: sessions
-- Sessions of a subscriber that were open in a span, the newest first.
select o.acct_session_id, n.identifier, n.ip, host(o.framed_ip) as framed_ip, o.mac::text as mac,
       o.started_at_ms, o.updated_at_ms, o.stopped_at_ms, o.upload, o.download, o.session_time_s,
       o.cause
  from isp.session o left join isp.nas n on n.id = o.nas
 where o.subscriber = $1 and o.updated_at_ms >= coalesce($2, 0)
   and o.started_at_ms < coalesce($3, 9223372036854775807)
 order by o.started_at_ms desc, o.id desc limit $4
