-- When boxes were seen (iptv.md 3.13).

-- name: note
-- Ascending accounts, when they polled, and when they played.
select iptv.note_seen($1, $2, $3)

-- name: move
-- Where boxes call from, and the versions that they run.
update iptv.account a set ip = m.ip, version = coalesce(nullif(m.version, ''), a.version)
  from (select w.id, w.ip, w.version
          from unnest($1::bigint[], $2::text[], $3::text[]) w (id, ip, version)
          join iptv.account l on l.id = w.id
         order by w.id for no key update of l) m
 where a.id = m.id
