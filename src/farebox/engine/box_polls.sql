-- Boxes that fetch their events (iptv.md 3.13, 4.2).

-- name: find
-- The account that a box names: by login where it says one, else by address.
select id, mac, password_hash from iptv.account
 where case when $2 <> '' then login <> '' and lower(login) = lower($2)
            else mac <> '' and mac = $1 end

-- name: hold
-- It, locked.
select mac, device_id from iptv.account where id = $1 for update

-- name: hold_mac
-- One transaction at a time gives an address away.
select pg_advisory_xact_lock(hashtextextended('iptv mac ' || lower($1), 0))

-- name: is_taken
-- Whether an account has an address.
select exists (select from iptv.account where mac = $1 and mac <> '')

-- name: bind
-- The box is the account's from now on.
update iptv.account
   set mac = case when mac = '' then $2 else mac end, device_id = $3, token_hash = $4,
       token_expires_at_ms = $5, stb_sn = coalesce(nullif($6, ''), stb_sn),
       stb_type = coalesce(nullif($7, ''), stb_type),
       version = coalesce(nullif($8, ''), version), ip = $9
 where id = $1

-- name: of_token
-- Whose token it is.
select id from iptv.account where token_hash = $1 and token_expires_at_ms > $2

-- name: look
-- What polls with these tokens, of boxes that show these events, answer.
select * from iptv.look($1, $2, $3, $4)

-- name: take
-- Which events of these accounts are given to the boxes that ask for them.
select t.id from iptv.take($1, $2, $3) as t (id)

-- name: confirm
-- Ends an event of a box; one that has ended stays as it is.
update iptv.event set ended_at_ms = coalesce(ended_at_ms, $3)
 where id = $2 and account = $1 and expires_at_ms > $3
returning true
