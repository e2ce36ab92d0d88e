-- A crowd whose quotas all begin anew at one midnight, online on many access servers.

-- name: account
-- A provider of its own.
insert into isp.account (id, time_zone, created_at_ms) values ('crowd', 'Asia/Kolkata', 0)

-- name: template
-- A speed of it.
insert into isp.bandwidth_template (account, name, up_kbps, down_kbps)
values ('crowd', $1, $2, $2) returning id

-- name: group
-- A group with a policy.
with plan as (
  insert into isp.profile (account, name, policy, created_at_ms, updated_at_ms)
  values ('crowd', 'p', $1::jsonb, 0, 0) returning id
)
insert into isp.user_group (account, name, profile) select 'crowd', 'g', id from plan returning id

-- name: device
-- An access server on loopback.
insert into isp.nas (account, name, ip, vendor, coa_port)
values ('crowd', $1, '127.0.0.1', 'mikrotik', $2) returning id

-- name: subscribers
-- So many ($2) of the group, above their quota until a midnight ($4), so that they hold the second
-- speed ($5). Each is online on one of the devices ($6); a few ($7) on the first of them.
with made as (
  insert into isp.subscriber
    (account, username, user_group, group_since_ms, activated_at_ms, created_at_ms, updated_at_ms)
  select 'crowd', 'u' || n, $1, 0, 0, 0, 0 from generate_series(1, $2::int) as n
  returning id, substr(username, 2)::int as n
), seen as (
  insert into isp.session
    (account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, applied_template)
  select 'crowd',
         ($6::bigint[])[case when m.n <= $7::int then 1
                             else 2 + m.n % (cardinality($6::bigint[]) - 1) end],
         's' || m.n, m.id, $4::bigint - 1000, $4::bigint - 1000, $5::bigint
    from made m
)
insert into isp.quota_state
  (subscriber, kind, window_start_ms, window_end_ms, upload, download, policy, effective_from_ms)
select m.id, 'bandwidth', $4::bigint - 86400000, $4::bigint, 0, 1 << 30, $3::jsonb, 0 from made m

-- name: left
-- How many jobs are not done yet.
select count(*) from farebox.outbox where kind like 'isp.%' and state = 'pending'

-- name: figures
-- What there is in the end.
select (select count(*) from isp.session where applied_template = $1) as applied,
       (select count(*) from isp.session where stopped_at_ms is not null) as stopped,
       (select count(*) from isp.switch) as open,
       (select count(*) from farebox.outbox where kind = 'isp.switch' and state = 'done') as done,
       (select count(*) from farebox.outbox where kind = 'isp.switch' and state = 'dead') as dead,
       (select count(*) from farebox.outbox where kind = 'isp.disconnect') as disconnects,
       (select count(*) from isp.audit where outcome = 'ack') as taken,
       (select count(*) from isp.audit where outcome = 'timeout') as silences
