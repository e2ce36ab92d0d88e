-- Polls find their events in an index, whatever is known of the queue (iptv.md 3.13, 4.2).
--
-- A plan that was made while the queue was empty read all of it for every box, also while a
-- broadcast was filling it and could not yet be seen: with a hundred thousand boxes a poll waited
-- for a second and a half. How a queue is looked at does not depend on its length any more.

-- What polls answer: the head of the queue, unless the box shows it already. Whether something is
-- due to the account, which has to be written first.
create function iptv.look(
  tokens bytea[], showing bigint[], now_ms bigint, is_billing boolean
) returns table (
  place bigint, id bigint, status boolean, additional_services_on boolean, restricted text[],
  disabled text[], ip text, version text, is_due boolean, msgs bigint, event_id bigint,
  event text, msg text, param1 text, need_confirm boolean, reboot_after_ok boolean,
  auto_hide_timeout integer, created_at_ms bigint
) language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  return query
  select w.place, a.id, a.status, a.additional_services_on, a.restricted, a.disabled, a.ip,
         a.version,
         coalesce(a.tariff_expires_at_ms <= now_ms, false)
         or (is_billing and a.end_at_ms is not null and a.end_at_ms <= now_ms
             and a.ended_by_ms is distinct from a.end_at_ms)
         or exists (select from iptv.package_subscription s
                     where s.account = a.id and s.expires_at_ms <= now_ms),
         q.msgs, h.id, h.event, h.msg, h.param1, h.need_confirm, h.reboot_after_ok,
         h.auto_hide_timeout, h.created_at_ms
    from unnest(tokens, showing) with ordinality w (token, shown, place)
    join iptv.account a on a.token_hash = w.token and a.token_expires_at_ms > now_ms
   cross join lateral (
     select count(*) as msgs, (array_agg(e.id order by e.priority, e.id))[1] as head
       from iptv.event e
      where e.account = a.id and e.ended_at_ms is null and e.expires_at_ms > now_ms) q
    left join iptv.event h on h.id = q.head and h.id <> w.shown;
end $$;

-- Gives events to boxes; what needs no confirmation has ended by that. Of polls that come at once,
-- one gets it.
create function iptv.take(events bigint[], now_ms bigint) returns setof bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return query
  update iptv.event e
     set sent_at_ms = coalesce(e.sent_at_ms, now_ms),
         ended_at_ms = case when e.need_confirm then null else now_ms end
    from (select id from iptv.event
           where id = any(events) and ended_at_ms is null and expires_at_ms > now_ms
           order by id for update) l
   where e.id = l.id
  returning e.id;
end $$;
