-- What the network reports, filled in for many subscribers.

-- name: devices
-- Devices of the crowd.
insert into isp.nas (account, name, ip, identifier)
select 'crowd', 'n' || n, '10.0.0.' || n, 'n' || n from generate_series(1, $1::int) as n

-- name: places
-- Everybody's session is at one of so many devices ($1), and counts from nothing.
update isp.session o set nas = d.id
  from isp.nas d
 where o.account = 'crowd' and d.account = 'crowd'
   and d.name = 'n' || (substr(o.acct_session_id, 2)::int % $1::int + 1)

-- name: cycles
-- Everybody is in a billing cycle.
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms)
select id, $1, $2, 'monthly', $1 from isp.subscriber where account = 'crowd'

-- name: totals
-- What was counted, in four ways.
select (select sum(download)::bigint from isp.session where account = 'crowd') as sessions,
       (select sum(download)::bigint from isp.usage_day) as days,
       (select sum(download)::bigint from isp.cycle) as cycles,
       (select sum(download)::bigint from isp.quota_state) as windows
