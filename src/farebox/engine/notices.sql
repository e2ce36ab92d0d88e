-- Messages to subscribers.

-- name: sender
-- The gateway or mail server of an account, or of the nearest one above it that has one.
with recursive above as (
  select a.id, a.parent, 1 as depth from isp.account a where a.id = $1
  union all
  select a.id, a.parent, b.depth + 1 from isp.account a join above b on a.id = b.parent
   where b.depth < 32
)
select s.account, s.settings, s.sealed
  from above
  join (select account, settings, sealed, 'sms' as channel from isp.sms_gateway
        union all
        select account, settings, sealed, 'email' from isp.smtp_server) s on s.account = above.id
 where s.channel = $2
 order by above.depth limit 1

-- name: template
-- What an account, or the nearest one above it, says instead of the built-in text.
select t.subject, t.body
  from isp.ancestry($1) with ordinality as above(account, depth)
  join isp.notification_template t on t.account = above.account
 where t.channel = $2 and t.name = $3
 order by above.depth limit 1

-- name: add
-- A message that waits to be sent.
insert into isp.notification
  (account, subscriber, channel, recipient, subject, content, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7) returning id

-- name: keep_secrets
-- What its open places hold.
update isp.notification set secrets_sealed = $2 where id = $1

-- name: open
-- A message that has no last state yet.
select id, account, subscriber, channel, recipient, subject, content, secrets_sealed, attempts
  from isp.notification where id = $1 and status_code in ('201', '502')

-- name: settle
-- What became of an attempt; nothing when another attempt came in between.
update isp.notification set status_code = $2, error_message = $3, attempts = attempts + 1
 where id = $1 and attempts = $4 and status_code in ('201', '502')
returning true

-- name: log
-- The newest thousand messages to somebody, oldest first.
select * from (
  select * from isp.notification where subscriber = $1 and channel = $2
   order by created_at_ms desc, id desc limit 1000) newest
order by created_at_ms, id
