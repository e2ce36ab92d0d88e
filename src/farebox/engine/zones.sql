-- Accounts as operators keep them.

-- name: below
-- An account and all below it.
select * from isp.account where id in (select isp.subtree($1)) order by id

-- name: get
-- An account.
select * from isp.account where id = $1

-- name: delete
-- An account is no more, nor who called for it.
delete from isp.account where id = $1

-- name: depth
-- How deep an account lies.
select count(*) from isp.ancestry($1)

-- name: add
-- A new account with what its parent has.
insert into isp.account
  (id, parent, time_zone, country_code, currency, session_silence_s, created_at_ms)
select $1, p.id, p.time_zone, p.country_code, p.currency, p.session_silence_s, $3
  from isp.account p where p.id = $2
on conflict do nothing returning true

-- name: change
-- Settings, where they are given; another zone holds from an instant ($3) on, and the one before is
-- kept for figures that were written under it.
with kept as (
  insert into isp.account_past (account, until_ms, time_zone)
  select id, $3, time_zone from isp.account
   where id = $1 and time_zone <> $2::jsonb ->> 'time_zone'
  on conflict do nothing
)
update isp.account a set
  zone_since_ms = case when time_zone <> $2::jsonb ->> 'time_zone' then $3 else zone_since_ms end,
  company_name = case when $2::jsonb ? 'company_name' then $2::jsonb ->> 'company_name'
    else company_name end,
  time_zone = coalesce($2::jsonb ->> 'time_zone', time_zone),
  country_code = coalesce($2::jsonb ->> 'country_code', country_code),
  currency = coalesce($2::jsonb ->> 'currency', currency),
  sms_sender_name = coalesce($2::jsonb ->> 'sms_sender_name', sms_sender_name),
  password_recovery = coalesce($2::jsonb ->> 'password_recovery', password_recovery),
  collection_auto_approve =
    coalesce(($2::jsonb ->> 'collection_auto_approve')::bool, collection_auto_approve),
  coa_fallback_disconnect =
    coalesce(($2::jsonb ->> 'coa_fallback_disconnect')::bool, coa_fallback_disconnect),
  usage_alerts = coalesce($2::jsonb ->> 'usage_alerts', usage_alerts),
  expose_api_key = coalesce(($2::jsonb ->> 'expose_api_key')::bool, expose_api_key),
  session_silence_s = coalesce(($2::jsonb ->> 'session_silence_s')::int, session_silence_s),
  alert_thresholds = case when $2::jsonb ? 'alert_thresholds'
    then array(select jsonb_array_elements_text($2::jsonb -> 'alert_thresholds')::int)
    else alert_thresholds end
where id = $1

-- name: credentials
-- Credentials of an account.
select c.token, c.scopes, c.networks, c.enabled, c.expires_at_ms, u.at_ms as used_at_ms
  from isp.credential c left join isp.credential_use u on u.token = c.token
 where c.account = $1 order by c.created_at_ms, c.token

-- name: rule
-- What a credential may, where that is given.
update isp.credential c set
  scopes = case when $3::jsonb ? 'scopes'
    then array(select jsonb_array_elements_text($3::jsonb -> 'scopes')) else scopes end,
  networks = case when $3::jsonb ? 'networks'
    then array(select jsonb_array_elements_text($3::jsonb -> 'networks')::inet) else networks end,
  enabled = coalesce(($3::jsonb ->> 'enabled')::bool, enabled),
  expires_at_ms = coalesce(($3::jsonb ->> 'expires_at_ms')::bigint, expires_at_ms)
where account = $1 and token = $2
returning token, scopes, networks, enabled, expires_at_ms,
  (select u.at_ms from isp.credential_use u where u.token = c.token) as used_at_ms

-- name: is_taken
-- Whether a token is in use.
select exists (select from isp.credential where token = $1)

-- name: dismiss
-- A credential is no more.
delete from isp.credential where account = $1 and token = $2 returning true

-- name: keep_gateway
-- Where texts go.
insert into isp.sms_gateway (account, settings, sealed) values ($1, $2, $3)
on conflict (account) do update set settings = excluded.settings, sealed = excluded.sealed

-- name: keep_smtp
-- Where mails go.
insert into isp.smtp_server (account, settings, sealed) values ($1, $2, $3)
on conflict (account) do update set settings = excluded.settings, sealed = excluded.sealed

-- name: keep_text
-- What an account says.
insert into isp.notification_template (account, channel, name, subject, body)
values ($1, $2, $3, $4, $5)
on conflict (account, channel, name) do update set
  subject = excluded.subject, body = excluded.body
