-- The demonstration's hosted PBX (pbx.md 5). Statements take the time of their rows as $1.
-- The passwords behind the hashes are public: this file is never loaded beside real data.

-- name: tenants
-- Whose tenants there are.
select code from pbx.tenant

-- name: add_tenants
-- Two tenants, in two zones.
insert into pbx.tenant (id, name, code, time_zone, created_at_ms, updated_at_ms) values
  (2, 'Uniglobe Dorval', 'UniglobeDorval', 'America/Toronto', $1, $1),
  (80, 'Advice Wise Solicitors', 'AdviceWise', 'UTC', $1, $1)

-- name: add_users
-- Argon2id of 'adminpass1', 'airlordpass1' and 'userpass1'.
insert into pbx.users (id, username, email, password_hash, role, created_at_ms, updated_at_ms)
values
  (97, 'admin', '', '$argon2id$v=19$m=65536,t=3,p=4'
     || '$s34posFWylXwbCEajNH11g$DhJccgldDTgoUPaJ+L/xm3ZWQw49mjUfPr+JlOqIVIw', 'admin', $1, $1),
  (124, 'Airlord', '', '$argon2id$v=19$m=65536,t=3,p=4'
     || '$mZMK+CkunKsTjcinoizRAQ$TWWysYEUYVftGEJXEiwr5Okt3I+OubJSpdL3EY1NrUI', 'user', $1, $1),
  (134, 'advicewise', 'office@advicewise.example', '$argon2id$v=19$m=65536,t=3,p=4'
     || '$1jrk3dkBx1fe4xeQ3anB4Q$2ujKbtyXCBHnPfxzNXiaCQU2wqf62adBe0Vik2m3N9c', 'user', $1, $1)

-- name: add_user_tenants
-- Who sees which tenant.
insert into pbx.user_tenant (person, tenant) values (134, 80)

-- name: add_extensions
-- Three lines; their secrets are sealed apart.
insert into pbx.extension (id, tenant, name, number, cidnum, cidname, created_at_ms, updated_at_ms)
values
  (11, 2, 'Chris Latremoille', '221', '15146339933', 'Uniglobe Dorval', $1, $1),
  (240, 2, 'Test', '251', '', 'Test', $1, $1),
  (900, 80, 'Reception', '100', '', '', $1, $1)

-- name: add_dids
-- Numbers that are called from outside.
insert into pbx.did (id, tenant, number, comment, recording, fax, created_at_ms, updated_at_ms)
values
  (2, 2, '15146001434', '', '', '', $1, $1),
  (30, 2, '15146339933', 'Uniglobe Dorval - Main', 'yes', 'no', $1, $1)

-- name: add_hunts
-- Numbers at which several telephones ring.
insert into pbx.hunt (id, tenant, number, name, type, ringtime, created_at_ms, updated_at_ms)
values
  (3, 2, '501', 'Franchise Opportunities', 'RINGALL', 60, $1, $1),
  (4, 2, '502', 'General Inquriies', 'RINGALL', 60, $1, $1)

-- name: add_voicemail
-- A mailbox.
insert into pbx.voicemail (id, tenant, mailbox, fullname, email, created_at_ms, updated_at_ms)
values (55, 2, '221', 'General Delivery Voicemail', 'info@uniglobe.example', $1, $1)

-- name: add_conditions
-- Who may dial through.
insert into pbx.condition
  (id, tenant, name, type, param1, param2, created_at_ms, updated_at_ms)
values
  (2, 2, 'Chris Latremoille DISA (END OF CHAIN)', 'CALLERID', '5146349955', '5149239933', $1, $1),
  (3, 2, 'Francine Girard DISA', 'CALLERID', '5148273211', '', $1, $1)

-- name: add_ivrs
-- Menus.
insert into pbx.ivr (id, tenant, name, created_at_ms, updated_at_ms) values
  (1, 2, 'Main Menu - FR', $1, $1),
  (4, 2, 'Main Menu - EN', $1, $1)

-- name: add_custom
-- Where calls are forwarded to.
insert into pbx.custom (id, tenant, name, type, created_at_ms, updated_at_ms)
values (2, 2, 'Vickie Kyriakakos Mobile', 1, $1, $1)

-- name: add_destinations
-- Which way a call goes on from a condition.
insert into pbx.destination
  (id, tenant, type_src, id_src, type_dst, id_dst, ord, created_at_ms, updated_at_ms)
values
  (156, 2, 'CONDITION', 2, 'DISA', 1, 1, $1, $1),
  (157, 2, 'NOTCONDITION', 3, 'CONDITION', 2, 1, $1, $1)

-- name: move_sequences
-- What is made from now on has ids of its own.
select setval(pg_get_serial_sequence('pbx.' || name, 'id'), next)
  from (values ('tenant', 80), ('users', 134), ('extension', 900), ('did', 30), ('hunt', 4),
               ('voicemail', 55), ('condition', 3), ('ivr', 4), ('custom', 2),
               ('destination', 157)) as s (name, next)
