-- The demonstration's internet provider (isp.md 5.1). The keys of its credentials are public: this
-- is never loaded beside real accounts.

-- name: accounts
-- Which accounts there are.
select id from isp.account

-- name: add_account
-- A zone.
insert into isp.account (id, parent, time_zone, currency, country_code, created_at_ms)
values ($1, $2, $3, $4, $5, $6)

-- name: add_template
-- A speed.
insert into isp.bandwidth_template (id, account, name, up_kbps, down_kbps)
values ($1, $2, $3, $4, $5)

-- name: add_profile
-- A usage package.
insert into isp.profile (id, account, name, policy, created_at_ms, updated_at_ms)
values ($1, $2, $3, $4, $5, $5)

-- name: add_group
-- A group.
insert into isp.user_group (id, account, name, profile) values ($1, $2, $3, $4)

-- name: add_area
-- An area.
insert into isp.area (id, account, name) values ($1, $2, $3)

-- name: add_street
-- A street of an area.
insert into isp.street (id, account, area, name)
select $1, a.account, a.id, $3 from isp.area a where a.id = $2

-- name: add_block
-- A building of a street.
insert into isp.block (id, account, street, name)
select $1, s.account, s.id, $3 from isp.street s where s.id = $2

-- name: add_admin
-- A collector.
insert into isp.admin (id, account, username) values ($1, $2, $3)

-- name: add_nas
-- A device of the network.
insert into isp.nas (id, account, ip, vendor, coa_port, secret_sealed)
values ($1, $2, $3, $4, 0, $5)

-- name: add_server
-- A server that counts.
insert into isp.radius_server (id, account, host, status_port, secret_sealed)
values ($1, $2, $3, 0, $4)

-- name: add_gateway
-- Where texts go.
insert into isp.sms_gateway (account, settings, sealed) values ($1, '{}', $2)

-- name: add_smtp
-- Where mails go.
insert into isp.smtp_server (account, settings, sealed)
values ($1, '{"from": "Provider <no-reply@example.com>"}', $2)

-- name: add_subscriber
-- A subscriber; his plain texts come as one object.
insert into isp.subscriber
  (id, account, username, user_group, status, name, last_name, phone, alt_phone, email,
   address_line1, address_line2, address_city, address_pin, address_state, comments, type,
   person_title, company_name, billing_id, password_sealed, activated_at_ms, created_at_ms,
   updated_at_ms, expires_at_ms, group_since_ms)
select $1, $2, $3, $4, $5, t.name, t.last_name, t.phone, t.alt_phone, t.email, t.address_line1,
       t.address_line2, t.address_city, t.address_pin, t.address_state, t.comments, t.type,
       $7, $8, $9, $10, $11, $12, $13, $14, $12
  from jsonb_to_record($6) as t(name text, last_name text, phone text, alt_phone text, email text,
       address_line1 text, address_line2 text, address_city text, address_pin text,
       address_state text, comments text, type text)

-- name: add_location
-- Where he lives.
insert into isp.location (subscriber, latitude, longitude, area, street, block)
values ($1, $2, $3, $4, $5, $6)

-- name: add_static
-- A fixed address.
insert into isp.static_address (account, subscriber, ip, mac)
values ($1, $2, $3::text::inet, $4::text::macaddr)

-- name: add_charge
-- What he owes.
insert into isp.ledger_entry (subscriber, kind, amount_thousandths, created_at_ms)
values ($1, 'charge', $2, $3)

-- name: assign
-- Who collects from him.
insert into isp.collection_assignment (subscriber, admin, assigned_at_ms) values ($1, $2, $3)

-- name: add_usage
-- What he used on a day.
insert into isp.usage_day (subscriber, day, upload, download) values ($1, $2, $3, $4)

-- name: add_cycle
-- His billing cycle.
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms, upload, download)
values ($1, $2, $3, $4, $2, $5, $6)

-- name: add_session
-- A session, open or ended.
insert into isp.session
  (account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, stopped_at_ms,
   applied_template)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: add_collection
-- A payment that waits for approval.
insert into isp.payment_collection
  (id, account, subscriber, admin, amount_thousandths, method, state, created_at_ms)
select $1, s.account, s.id, $3, $4, 'cash', $5, $6 from isp.subscriber s where s.id = $2

-- name: add_renewal
-- A renewal.
insert into isp.renewal
  (id, account, subscriber, admin_username, renewal_days, amount_thousandths, type, previous_group,
   present_group, order_id, order_active_until_ms, active_since, active_until, notes, created_at_ms)
select $1, s.account, s.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
  from isp.subscriber s where s.id = $2

-- name: account_of
-- Whose subscriber he is.
select account from isp.subscriber where id = $1

-- name: add_message
-- A message that was sent.
insert into isp.notification
  (id, account, subscriber, channel, recipient, content, secrets_sealed, status_code,
   error_message, created_at_ms)
select $1, s.account, s.id, 'sms', $3, $4, $5, $6, $7, $8 from isp.subscriber s where s.id = $2

-- name: add_ticket
-- A ticket.
insert into isp.ticket (id, account, subscriber, created_at_ms)
select $1, s.account, s.id, $3 from isp.subscriber s where s.id = $2

-- name: move_sequences
-- The next numbers are free.
select setval(pg_get_serial_sequence('isp.' || name, 'id'), highest)
  from (values
    ('admin', (select max(id) from isp.admin)),
    ('bandwidth_template', (select max(id) from isp.bandwidth_template)),
    ('profile', (select max(id) from isp.profile)),
    ('user_group', (select max(id) from isp.user_group)),
    ('area', (select max(id) from isp.area)),
    ('street', (select max(id) from isp.street)),
    ('block', (select max(id) from isp.block)),
    ('subscriber', (select max(id) from isp.subscriber)),
    ('nas', (select max(id) from isp.nas)),
    ('radius_server', (select max(id) from isp.radius_server)),
    ('ticket', (select max(id) from isp.ticket)),
    ('renewal', (select max(id) from isp.renewal)),
    ('notification', (select max(id) from isp.notification)),
    ('payment_collection', (select max(id) from isp.payment_collection))
  ) as known(name, highest)
