-- Subscribers with quotas, and the same job for one subscriber after another.

-- name: account
-- A provider of its own.
insert into isp.account (id, time_zone, created_at_ms) values ('crowd', 'Asia/Kolkata', 0)

-- name: template
-- A speed of it.
insert into isp.bandwidth_template (account, name, up_kbps, down_kbps)
values ('crowd', $1, 512, 512) returning id

-- name: group
-- A group with a policy.
with plan as (
  insert into isp.profile (account, name, policy, created_at_ms, updated_at_ms)
  values ('crowd', 'p', $1::jsonb, 0, 0) returning id
)
insert into isp.user_group (account, name, profile) select 'crowd', 'g', id from plan returning id

-- name: subscribers
-- So many ($2) of the group, online at an instant ($4) with a speed ($5), each in a window from $6
-- to $7 of which so much of the limit ($8) is used: every hundredth is above it, every fiftieth in
-- the window before.
with made as (
  insert into isp.subscriber
    (account, username, user_group, group_since_ms, activated_at_ms, created_at_ms, updated_at_ms)
  select 'crowd', 'u' || n, $1, 0, 0, 0, 0 from generate_series(1, $2::int) as n
  returning id, substr(username, 2)::int as n
), seen as (
  insert into isp.session
    (account, acct_session_id, subscriber, started_at_ms, updated_at_ms, applied_template)
  select 'crowd', 's' || m.n, m.id, $4::bigint, $4::bigint, $5::bigint from made m
)
insert into isp.quota_state
  (subscriber, kind, window_start_ms, window_end_ms, upload, download, policy, effective_from_ms)
select m.id, 'bandwidth',
       case when m.n % 50 = 0 then $9::bigint else $6::bigint end,
       case when m.n % 50 = 0 then $6::bigint else $7::bigint end,
       0, case when m.n % 100 = 1 then $8::bigint + 1 else m.n % $8::bigint end, $3::jsonb, 0
  from made m

-- name: acknowledge
-- The network has taken every switch: its sessions hold the second speed, and none is open.
with closed as (delete from isp.switch returning subscriber)
update isp.session o set applied_template = t.id
  from closed c, isp.bandwidth_template t
 where o.subscriber = c.subscriber and t.account = 'crowd' and t.name = 'slow'

-- name: numbers
-- The subscribers.
select id from isp.subscriber where account = 'crowd' order by id

-- name: lock
-- One of them.
select id from isp.subscriber where id = $1 for update

-- name: figures
-- What a job leaves: windows, and who is to be switched.
select (select count(*) from isp.switch w join isp.subscriber s on s.id = w.subscriber
         where s.account = 'crowd') as switches,
       (select count(*) from farebox.outbox where kind = 'isp.switch') as jobs,
       count(*) filter (where q.window_start_ms = $1) as present,
       sum(q.download)::bigint as download, sum(q.version)::bigint as versions
  from isp.quota_state q join isp.subscriber s on s.id = q.subscriber where s.account = 'crowd'
