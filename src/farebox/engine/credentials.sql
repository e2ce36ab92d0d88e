-- Credentials and the accounts they open (isp.md 1.2).

-- name: find
-- A credential with its account, when it was last used, and whether a move of anybody is due.
select c.token, c.key_hash, c.scopes, c.networks, c.enabled, c.expires_at_ms,
       u.at_ms as used_at_ms, a.*,
       exists (select from isp.scheduled_move m
                where m.status = 'scheduled' and m.due_at_ms <= $2) as is_move_due
  from isp.credential c
  join isp.account a on a.id = c.account
  left join isp.credential_use u on u.token = c.token
 where c.token = $1

-- name: use
-- A credential is used; it may have gone since it was checked, or be about to.
insert into isp.credential_use (token, at_ms)
select token, $2 from isp.credential where token = $1 for key share skip locked
on conflict (token) do update set at_ms = greatest(credential_use.at_ms, excluded.at_ms)

-- name: below
-- An account, if it lies at or below another one.
select a.* from isp.account a where a.id = $1 and a.id in (select isp.subtree($2))

-- name: add
-- A new credential.
insert into isp.credential (token, account, key_hash, key_sealed, scopes, created_at_ms)
select $1, a.id, $3, case when a.expose_api_key then $4::bytea end, $5, $6
  from isp.account a where a.id = $2

-- name: oldest
-- The oldest credential in use of each account.
select distinct on (a.id) a.id, a.expose_api_key, c.token, c.key_sealed
  from isp.account a join isp.credential c on c.account = a.id and c.enabled
 where a.id = any($1::text[])
 order by a.id, c.created_at_ms, c.token

-- name: is_taken
-- Whether a token is in use.
select exists (select from isp.credential where token = $1)

-- name: add_account
-- A root account.
insert into isp.account (id, time_zone, currency, created_at_ms) values ($1, $2, $3, $4)
on conflict do nothing
