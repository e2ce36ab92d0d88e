-- Secrets of extensions and phones (pbx.md 1.3, 3.3).

-- name: peer
-- The SIP account of a tenant's extension, as far as the caller sees the tenant.
select e.number || '-' || t.code as name, p.host, p.secret_sealed
  from pbx.extension e
  join pbx.tenant t on t.id = e.tenant
  join pbx.sip_peer p on p.extension = e.id
 where e.id = $1 and e.tenant = $2
   and ($3::bool or e.tenant in (select m.tenant from pbx.user_tenant m where m.person = $4))

-- name: account
-- The account of an extension.
select host, secret_sealed from pbx.sip_peer where extension = $1

-- name: phone_password
-- The sealed password of a phone.
select http_password_sealed from pbx.phone where id = $1

-- name: set_secret
-- A secret; the account is made if there is none, and keeps its host if no other is given.
insert into pbx.sip_peer as p (extension, host, secret_sealed)
values ($1, coalesce($3, 'dynamic'), $2)
on conflict (extension) do update
   set secret_sealed = excluded.secret_sealed, host = coalesce($3, p.host)

-- name: keep_phone_password
-- Another password of a phone, or none.
update pbx.phone set http_password_sealed = $2 where id = $1

-- name: set_host
-- Where an account registers from.
update pbx.sip_peer set host = $2 where extension = $1

-- name: tenant_of
-- The tenant of an extension.
select tenant from pbx.extension where id = $1
