-- Tenants, lines and mailboxes for configuration files.

-- name: tenants
-- One tenant, or all.
select id from pbx.tenant where $1 = '' or lower(code) = lower($1) order by id

-- name: lines
-- Lines with an account.
select e.id, e.number, e.cidname, e.cidnum, t.code, p.host, p.secret_sealed,
       exists (select from pbx.voicemail v where v.tenant = e.tenant and v.mailbox = e.number)
         as has_mailbox
  from pbx.extension e
  join pbx.tenant t on t.id = e.tenant
  join pbx.sip_peer p on p.extension = e.id
 where e.tenant = any ($1::bigint[])
 order by e.tenant, e.id

-- name: mailboxes
-- Mailboxes, those of a tenant one after another.
select t.code as context, v.mailbox, v.fullname, v.email
  from pbx.voicemail v
  join pbx.tenant t on t.id = v.tenant
 where v.tenant = any ($1::bigint[])
 order by v.tenant, v.id
