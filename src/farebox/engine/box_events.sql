-- Events of boxes (iptv.md 4.2). An event is live while it has no end and has not expired.

-- name: allow_long
-- A statement about all accounts may take a while.
select set_config('statement_timeout', '60s', true)

-- name: queue
-- An event for each of some accounts, or of all.
insert into iptv.event
  (account, event, msg, param1, need_confirm, reboot_after_ok, auto_hide_timeout, priority,
   created_at_ms, expires_at_ms)
select a.id, $2, $3, $4, $5, $6, $7, $8, $9, $10 from iptv.account a
 where $1::bigint[] is null or a.id = any($1)
 order by a.id

-- name: analyze
-- Plans that were made for a queue of a few events are made anew for the many that there are now.
analyze iptv.event

-- name: replace
-- Messages that would restart a box, and were not sent yet, give way to the next one.
delete from iptv.event
 where ($1::bigint[] is null or account = any($1)) and event = 'send_msg' and reboot_after_ok
   and ended_at_ms is null and sent_at_ms is null and expires_at_ms > $2

-- name: trim
-- Ends what a queue cannot hold: the oldest of the lowest priority. They expire, undelivered.
update iptv.event e set ended_at_ms = $2, expires_at_ms = $2
  from (select id, row_number() over (partition by account order by priority, id desc) as place
          from iptv.event
         where account = any($1::bigint[]) and ended_at_ms is null and expires_at_ms > $2) l
 where e.id = l.id and l.place > $3
returning e.id

-- name: full
-- Queues that are too long, some of them. All that lives is counted, which after a broadcast is no
-- more work than the broadcast was.
select account from iptv.event where ended_at_ms is null and expires_at_ms > $2
 group by account having count(*) > $1 limit $3

-- name: forget
-- What ended or expired long ago.
delete from iptv.event where id in (
  (select id from iptv.event where expires_at_ms < $1 limit 10000)
  union all
  (select id from iptv.event where ended_at_ms < $1 limit 10000))

-- name: listed
-- Events with their state, of some accounts or all, of one kind and state where given; by id.
select e.id, a.id as account, a.mac, a.login, e.event, e.msg, e.param1, e.need_confirm,
       e.priority, s.state, e.created_at_ms, e.expires_at_ms, e.sent_at_ms, e.ended_at_ms
  from iptv.event e
  join iptv.account a on a.id = e.account
 cross join lateral (select case
   when e.ended_at_ms is null and e.expires_at_ms <= $4 or e.ended_at_ms >= e.expires_at_ms
     then 'expired'
   when e.ended_at_ms is not null and e.need_confirm then 'confirmed'
   when e.sent_at_ms is not null then 'sent'
   else 'pending' end as state) s
 where ($1::bigint[] is null or e.account = any($1)) and ($2::text is null or e.event = $2)
   and ($3::text is null or s.state = $3)
 order by e.id offset $5 limit $6

-- name: count
-- How many of them there are, up to a bound.
select count(*) from (
  select from iptv.event e
   where ($1::bigint[] is null or e.account = any($1)) and ($2::text is null or e.event = $2)
     and ($3::text is null or $3 = case
       when e.ended_at_ms is null and e.expires_at_ms <= $4 or e.ended_at_ms >= e.expires_at_ms
         then 'expired'
       when e.ended_at_ms is not null and e.need_confirm then 'confirmed'
       when e.sent_at_ms is not null then 'sent'
       else 'pending' end)
   limit $5) c

-- name: wake
-- Tells the processes whose boxes have something to fetch.
select pg_notify($1, $2)
