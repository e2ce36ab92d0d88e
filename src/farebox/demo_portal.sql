-- The demonstration's IPTV portal (iptv.md 5). Statements with rows of a time take it as $1.
-- The passwords behind the hashes are public: this file is never loaded beside real data.

-- name: users
-- Whose users there are.
select login from iptv.api_user

-- name: add_users
-- Argon2id of 'pass' and 'pass2'.
insert into iptv.api_user (login, password_hash, role, created_at_ms) values
  ('stalker', '$argon2id$v=19$m=65536,t=3,p=4'
     || '$4e8eaXfPfa5sythFqvb/7Q$0+xp/ikQvrvTfKTA1EfoVsC5+eNI3LSKqYQcHZQztkk', 'admin', $1),
  ('billing', '$argon2id$v=19$m=65536,t=3,p=4'
     || '$VaPQ+3F3uzo5G8INWrMBjQ$q4/H+gED/VjVyxwd4vOTri2jT0307ar6lZN+UUNFqxs', 'api', $1)

-- name: add_tariffs
-- Two plans, the first of which is everybody's.
insert into iptv.tariff (id, external_id, name, user_default) values
  (1, 'FULL', 'Full', true), (2, 'STANDART', 'Standart', false)

-- name: add_packages
-- Three that can be chosen and one that everybody has.
insert into iptv.package (id, external_id, name, type, all_services) values
  (1, 'tv_2', 'Television 2', 'tv', false), (2, 'tv_3', 'Television 3', 'tv', false),
  (3, 'tv_6', 'Television 6', 'tv', false), (10, 'all_video', 'All video', 'video', true)

-- name: add_tariff_packages
-- What the first plan has.
insert into iptv.tariff_package (tariff, package, optional) values
  (1, 1, true), (1, 2, true), (1, 3, true), (1, 10, false)

-- name: add_channels
-- Four channels.
insert into iptv.channel (id, name, number) values
  (27, 'News', 1), (29, 'Sport', 2), (37, 'М-TV Украина', 64), (58, 'Kids', 3)

-- name: add_accounts
-- Two boxes, the second of which is switched off.
insert into iptv.account (id, mac, login, ls, tariff, status, created_at_ms) values
  (1, '00:1A:79:00:39:5E', '1553', '1553', 1, true, $1),
  (2, '00:1A:79:00:15:B3', '3', '3', null, false, $1)

-- name: move_sequences
-- What comes next has numbers of its own.
select setval(pg_get_serial_sequence('iptv.' || t.name, 'id'), t.next, false)
  from (values ('tariff', 3), ('package', 11), ('channel', 59), ('account', 3)) t (name, next)
