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
-- What polls answer: the head of the queue, unless the box shows it already. Whether something is
-- due to the account, which has to be written first.
select w.place, a.id, a.status, a.additional_services_on, a.restricted, a.disabled, a.ip, a.version,
       (coalesce(a.tariff_expires_at_ms <= $2, false)
        or ($4 and a.end_at_ms is not null and a.end_at_ms <= $2
            and a.ended_by_ms is distinct from a.end_at_ms)
        or exists (select from iptv.package_subscription s
                    where s.account = a.id and s.expires_at_ms <= $2)) as is_due,
       q.msgs, h.id as event_id, h.event, h.msg, h.param1, h.need_confirm, h.reboot_after_ok,
       h.auto_hide_timeout, h.created_at_ms
  from unnest($1::bytea[], $3::bigint[]) with ordinality w (token, shown, place)
  join iptv.account a on a.token_hash = w.token and a.token_expires_at_ms > $2
 cross join lateral (
   select count(*) as msgs, (array_agg(e.id order by e.priority, e.id))[1] as head
     from iptv.event e
    where e.account = a.id and e.ended_at_ms is null and e.expires_at_ms > $2) q
  left join iptv.event h on h.id = q.head and h.id <> w.shown

-- name: take
-- Events are given to boxes; what needs no confirmation has ended by that. Of polls that come at
-- once, one gets it.
update iptv.event e
   set sent_at_ms = coalesce(e.sent_at_ms, $2),
       ended_at_ms = case when e.need_confirm then null else $2::bigint end
  from (select id from iptv.event
         where id = any($1::bigint[]) and ended_at_ms is null and expires_at_ms > $2
         order by id for update) l
 where e.id = l.id
returning e.id

-- name: confirm
-- Ends an event of a box; one that has ended stays as it is.
update iptv.event set ended_at_ms = coalesce(ended_at_ms, $3)
 where id = $2 and account = $1 and expires_at_ms > $3
returning true
