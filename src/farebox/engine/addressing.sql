-- Whom messages are for.

-- name: subscribers
-- Subscribers of an account with what messages say of them.
select s.id, s.username, s.phone, s.alt_phone, s.email, s.expires_at_ms, s.password_sealed,
       coalesce(s.time_zone, a.time_zone) as zone,
       (select sum(e.amount_thousandths)::bigint from isp.ledger_entry e
         where e.subscriber = s.id) as balance
  from isp.subscriber s join isp.account a on a.id = s.account
 where s.account = $1 and s.id = any($2::bigint[]) and s.status <> 'deleted'
 order by s.id

-- name: ticket
-- Whether an account has a ticket.
select true from isp.ticket where account = $1 and id = $2

-- name: by_phone
-- Those of a number who may want their credentials.
select id, username, phone, password_sealed from isp.subscriber
 where account = $1 and phone_key = $2
   and status in ('active', 'expired', 'suspended')
 order by id limit $3

-- name: by_email
-- Those of an address who may want their credentials.
select id, username, email, password_sealed from isp.subscriber
 where account = $1 and lower(email) = $2
   and status in ('active', 'expired', 'suspended')
 order by id limit $3
