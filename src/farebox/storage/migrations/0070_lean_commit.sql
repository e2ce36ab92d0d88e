-- What a commit costs the server, made less without promising less.

-- A CHECK is read from the catalogue and evaluated by every statement that writes its table,
-- whatever columns it writes; eleven of them were a seventh of the cost of a batch. What only an
-- insert or an edit of settings can break is watched by a trigger of those columns, whose condition
-- is the check; the counters, on which money rests, keep their CHECKs.
alter table voucher.voucher
  drop constraint voucher_code_length,
  drop constraint voucher_type_known,
  drop constraint voucher_value_range,
  drop constraint voucher_limit_range,
  drop constraint voucher_frequency_known,
  drop constraint voucher_own_settings,
  drop constraint voucher_expiry_whole,
  drop constraint voucher_pdf_known;

create function voucher.refuse_settings() returns trigger language plpgsql as $$
begin
  raise exception 'voucher % has settings that contradict each other or are out of range', new.id
    using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
          constraint = tg_name;
end $$;

create trigger voucher_settings
  after insert or update of code_key, inherit, type, value, redemption_limit, reset_frequency,
    time_zone, expires_on, expires_before_ms, pdf_status
  on voucher.voucher for each row
  when (
    char_length(new.code_key) not between 1 and 64
    or new.type not in ('discount', 'gift')
    or new.value not between 0 and 2147483647
    or new.redemption_limit not between 0 and 2147483647
    or new.reset_frequency not in ('day', 'week', 'month', 'never')
    or new.pdf_status not in ('empty', 'creating', 'ready', 'failed')
    or (new.expires_on is null) <> (new.expires_before_ms is null)
    or not new.inherit and (
      new.type is null or new.value is null or new.redemption_limit is null
      or new.reset_frequency is null or new.time_zone is null))
  execute function voucher.refuse_settings();

-- Ids ascend, codes do not: with the id first, a redemption adds to the end of the index instead of
-- reading a page from anywhere in it. The rows of a voucher are found by the index over orders and,
-- once an order was redeemed anew, by the small one over those.
alter table voucher.redemption
  drop constraint redemption_pk,
  add constraint redemption_pk primary key (id, code_key);
create index redemption_unkeyed on voucher.redemption (voucher) where not keyed;
drop index voucher.redemption_tombstones;
create index redemption_given_back on voucher.redemption (state, redeemed_at_ms)
  include (voucher, code_key) where state > 0;

-- The redemptions and tombstones of one voucher; inlined where it is used.
create function voucher.redemptions_of(of_voucher bigint, of_code text)
returns setof voucher.redemption language sql stable
begin atomic
  select r.* from voucher.redemption r
  where r.voucher = of_voucher and r.code_key = of_code and r.keyed
  union all
  select r.* from voucher.redemption r
  where r.voucher = of_voucher and r.code_key = of_code and not r.keyed;
end;

-- The same commit as before; groups that a batch does not have may be null.
create or replace function voucher.commit_batch(
  campaigns int[], policy_revisions bigint[],
  -- Vouchers that were only looked at.
  seen_ids bigint[], seen_versions bigint[],
  -- Other candidates of a code that is redeemed: they must not move before this batch has
  -- committed.
  held_ids bigint[], held_versions bigint[],
  -- Orders that must not be recorded anywhere.
  absent_vouchers bigint[], absent_devices text[], absent_orders text[],
  -- Vouchers that change, with the whole new state of what a decision can change.
  ids bigint[], versions bigint[], new_versions bigint[],
  counts bigint[], amounts bigint[], totals bigint[], total_amounts bigint[],
  period_ends bigint[], period_seqs int[], calendar_revisions int[], last_resets bigint[],
  holds smallint[], hold_devices text[], hold_owners text[], hold_untils bigint[],
  redeemed_ats bigint[], redeemed_locations int[], updated_at bigint,
  -- Redemptions.
  r_ids bigint[], r_code_keys text[], r_vouchers bigint[], r_devices text[], r_orders text[],
  r_fingerprints bigint[], r_amounts bigint[], r_period_seqs int[], r_requesters text[],
  r_locations int[], r_currencies text[], r_requests text[], r_responses text[], r_ats bigint[],
  -- History rows of everything else.
  h_ids bigint[], h_vouchers bigint[], h_requesters text[], h_locations int[], h_actions smallint[],
  h_successes bool[], h_reasons text[], h_currencies text[], h_requests text[], h_responses text[],
  h_ats bigint[]
) returns void
language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  touched int;
  taken text;
begin
  -- An assignment needs no executor, unlike a statement.
  for i in 1 .. coalesce(cardinality(campaigns), 0) loop
    taken := pg_advisory_xact_lock_shared(77, campaigns[i]);
  end loop;
  perform 1 from unnest(campaigns, policy_revisions) as w (id, revision)
    left join voucher.campaign c on c.id = w.id
    where c.policy_revision is distinct from w.revision;
  if found then
    raise exception 'a campaign has changed' using errcode = 'FB001';
  end if;
  if cardinality(held_ids) > 0 then
    -- All rows this batch locks, in one order, before any of them is written.
    perform 1 from (
      select v.id from unnest(held_ids || ids, held_versions || versions) as w (id, version)
        join voucher.voucher v on v.id = w.id and v.version = w.version
        order by v.code_key, v.id for no key update of v) as locked;
    get diagnostics touched = row_count;
    if touched <> cardinality(held_ids) + coalesce(cardinality(ids), 0) then
      raise exception 'a candidate has changed' using errcode = 'FB001';
    end if;
  end if;
  if cardinality(ids) > 0 then
    update voucher.voucher v set
      version = w.new_version,
      count = w.count, amount = w.amount, total = w.total, total_amount = w.total_amount,
      period_end_ms = w.period_end, period_seq = w.period_seq,
      calendar_revision = coalesce(w.calendar_revision, v.calendar_revision),
      last_reset_at_ms = coalesce(w.last_reset, v.last_reset_at_ms),
      hold_device = case w.hold when 0 then v.hold_device when 1 then null else w.hold_device end,
      hold_owner = case w.hold when 0 then v.hold_owner when 1 then null else w.hold_owner end,
      hold_until_ms = case w.hold when 0 then v.hold_until_ms when 1 then 0 else w.hold_until end,
      last_redemption_at_ms = coalesce(w.redeemed_at, v.last_redemption_at_ms),
      last_redemption_location =
        case when w.redeemed_at is null then v.last_redemption_location
             else w.redeemed_location end,
      updated_at_ms = updated_at
    from unnest(ids, versions, new_versions, counts, amounts, totals, total_amounts, period_ends,
                period_seqs, calendar_revisions, last_resets, holds, hold_devices, hold_owners,
                hold_untils, redeemed_ats, redeemed_locations)
      as w (id, version, new_version, count, amount, total, total_amount, period_end, period_seq,
            calendar_revision, last_reset, hold, hold_device, hold_owner, hold_until, redeemed_at,
            redeemed_location)
    where v.id = w.id and v.version = w.version;
    get diagnostics touched = row_count;
    if touched <> cardinality(ids) then
      raise exception 'a voucher has changed' using errcode = 'FB001';
    end if;
  end if;
  if cardinality(seen_ids) > 0 then
    perform 1 from unnest(seen_ids, seen_versions) as w (id, version)
      join voucher.voucher v on v.id = w.id and v.version = w.version;
    get diagnostics touched = row_count;
    if touched <> cardinality(seen_ids) then
      raise exception 'a refused voucher has changed' using errcode = 'FB001';
    end if;
  end if;
  if cardinality(absent_vouchers) > 0 then
    perform 1
      from unnest(absent_vouchers, absent_devices, absent_orders) as w (voucher, device, ord)
      join voucher.redemption r
        on r.keyed and r.voucher = w.voucher and r.device = w.device and r.order_id = w.ord;
    if found then
      raise exception 'an order is recorded' using errcode = 'FB001';
    end if;
  end if;
  if cardinality(r_ids) > 0 then
    -- An order that is recorded already violates the unique index, which undoes the batch like any
    -- other lost comparison. Asking first (ON CONFLICT) would cost a second probe and a second
    -- record in the log for every redemption.
    insert into voucher.redemption (
      id, code_key, voucher, device, order_id, fingerprint, amount_off, period_seq, state,
      requester, location, currency, request, response, redeemed_at_ms)
    select w.id, w.code_key, w.voucher, w.device, w.ord, w.fingerprint, w.amount, w.period_seq, 0,
           w.requester, w.location, w.currency, w.request, w.response, w.at
    from unnest(r_ids, r_code_keys, r_vouchers, r_devices, r_orders, r_fingerprints, r_amounts,
                r_period_seqs, r_requesters, r_locations, r_currencies, r_requests, r_responses,
                r_ats)
      as w (id, code_key, voucher, device, ord, fingerprint, amount, period_seq, requester,
            location, currency, request, response, at);
  end if;
  if cardinality(h_ids) > 0 then
    insert into voucher.history (id, voucher, requester, location, action, success, reason,
                                 currency, request, response, created_at_ms)
    select * from unnest(h_ids, h_vouchers, h_requesters, h_locations, h_actions, h_successes,
                         h_reasons, h_currencies, h_requests, h_responses, h_ats);
  end if;
end $$;
