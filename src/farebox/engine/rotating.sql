-- Secrets of the provider that an older key has sealed: read in stretches above a key, and
-- exchanged only where nobody has written another one meanwhile. Sealed bytes begin with the length
-- of the key's id and the id.

-- name: passwords
-- Passwords of subscribers.
select id::text as key, account, password_sealed as sealed from isp.subscriber
 where id > $1::bigint
   and substring(password_sealed from 2 for get_byte(password_sealed, 0)) <> $2
 order by id limit $3

-- name: keep_passwords
-- Sealed again.
update isp.subscriber t set password_sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.id = n.key::bigint and t.password_sealed = n.old

-- name: devices
-- Secrets of access servers.
select id::text as key, account, secret_sealed as sealed from isp.nas
 where id > $1::bigint
   and substring(secret_sealed from 2 for get_byte(secret_sealed, 0)) <> $2
 order by id limit $3

-- name: keep_devices
-- Sealed again.
update isp.nas t set secret_sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.id = n.key::bigint and t.secret_sealed = n.old

-- name: servers
-- Secrets of RADIUS servers.
select id::text as key, account, secret_sealed as sealed from isp.radius_server
 where id > $1::bigint
   and substring(secret_sealed from 2 for get_byte(secret_sealed, 0)) <> $2
 order by id limit $3

-- name: keep_servers
-- Sealed again.
update isp.radius_server t set secret_sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.id = n.key::bigint and t.secret_sealed = n.old

-- name: messages
-- What the open places of messages hold.
select id::text as key, account, secrets_sealed as sealed from isp.notification
 where id > $1::bigint
   and substring(secrets_sealed from 2 for get_byte(secrets_sealed, 0)) <> $2
 order by id limit $3

-- name: keep_messages
-- Sealed again.
update isp.notification t set secrets_sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.id = n.key::bigint and t.secrets_sealed = n.old

-- name: keys
-- Keys of credentials that are shown.
select token as key, account, key_sealed as sealed from isp.credential
 where token > $1 and substring(key_sealed from 2 for get_byte(key_sealed, 0)) <> $2
 order by token limit $3

-- name: keep_keys
-- Sealed again.
update isp.credential t set key_sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.token = n.key and t.key_sealed = n.old

-- name: gateways
-- SMS gateways.
select account as key, account, sealed from isp.sms_gateway
 where account > $1 and substring(sealed from 2 for get_byte(sealed, 0)) <> $2
 order by account limit $3

-- name: keep_gateways
-- Sealed again.
update isp.sms_gateway t set sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.account = n.key and t.sealed = n.old

-- name: mail
-- Mail servers.
select account as key, account, sealed from isp.smtp_server
 where account > $1 and substring(sealed from 2 for get_byte(sealed, 0)) <> $2
 order by account limit $3

-- name: keep_mail
-- Sealed again.
update isp.smtp_server t set sealed = n.sealed
  from unnest($1::text[], $2::bytea[], $3::bytea[]) as n(key, sealed, old)
 where t.account = n.key and t.sealed = n.old
