-- Polls find their events in an index, whatever is known of the queue (iptv.md 3.13, 4.2).
--
-- A plan that was made while the queue was empty read all of it for every box, also while a
-- broadcast was filling it and could not yet be seen: with a hundred thousand boxes a poll waited
-- for a second and a half. While a queue is empty all ways through it cost the planner the same,
-- whichever index, so one way to each event is left: every look at one says its account, the heads
-- of queues are no matter of an order, and the time of expiry is a sum that no index knows.

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
     select count(*) as msgs, min(array[e.priority, e.id]) as head
       from iptv.event e
      where e.account = a.id and e.ended_at_ms is null and e.expires_at_ms + 0 > now_ms) q
    left join lateral (
     select * from iptv.event e
      where e.account = a.id and e.id = q.head[2] and e.id <> w.shown limit 1) h on true;
end $$;

-- Gives events to their boxes, in ascending order of events; what needs no confirmation has ended
-- by that. Of polls that come at once, one gets it.
create function iptv.take(accounts bigint[], events bigint[], now_ms bigint)
returns setof bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return query
  update iptv.event e
     set sent_at_ms = coalesce(e.sent_at_ms, now_ms),
         ended_at_ms = case when e.need_confirm then null else now_ms end
   where e.ctid = any(array(
     select l.place
       from unnest(accounts, events) g (account, event)
      cross join lateral (
        select h.ctid as place from iptv.event h
         where h.account = g.account and h.id = g.event and h.ended_at_ms is null
           and h.expires_at_ms + 0 > now_ms
           for update) l))
  returning e.id;
end $$;
