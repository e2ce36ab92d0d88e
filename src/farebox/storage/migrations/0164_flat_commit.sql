-- The same commit, with every group of rows as two arrays instead of one for each column.
--
-- A function in FROM has a store of its own for each of its arrays, filled and read row by row; an
-- element of an array that PL/pgSQL holds is taken where it lies. And what is planned once is used
-- for every batch: the server thought the plan for one batch's arrays worth making anew each time.
--
-- The form with an array for each column stays beside it: workers of the version before still call
-- it while they are replaced one by one.

-- History rows. Of each row six numbers: id, voucher, location, action, success, instant; five
-- texts: requester, reason, currency, request, response.
create function voucher.add_history(numbers bigint[], texts text[]) returns void
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
begin
  insert into voucher.history (id, voucher, requester, location, action, success, reason,
                               currency, request, response, created_at_ms)
  select numbers[6 * i + 1], numbers[6 * i + 2], texts[5 * i + 1], numbers[6 * i + 3],
         numbers[6 * i + 4], numbers[6 * i + 5] <> 0, texts[5 * i + 2],
         texts[5 * i + 3], texts[5 * i + 4], texts[5 * i + 5], numbers[6 * i + 6]
  from generate_series(0, cardinality(numbers) / 6 - 1) as i;
end $$;

-- A group that a batch does not have is null.
create function voucher.commit_batch(
  -- Campaign, its policy revision.
  campaigns bigint[],
  -- Vouchers that were only looked at: id, version.
  seen bigint[],
  -- Other candidates of a code that is redeemed: they must not move before this batch has
  -- committed. Id, version.
  held bigint[],
  -- Orders that must not be recorded anywhere: voucher; device, order.
  absent bigint[], absent_texts text[],
  -- Vouchers that change, with the whole new state of what a decision can change: id, version, new
  -- version, count, amount, total, total amount, period's end and number, calendar revision or
  -- null, last reset or null, hold (0 stays, 1 ends, 2 is taken), its end, redeemed at or null,
  -- redeemed where; the hold's device, its owner.
  states bigint[], state_texts text[], updated_at bigint,
  -- Redemptions: id, voucher, fingerprint, amount off, period's number, location, instant; code,
  -- device, order, requester, currency, request, response.
  redemptions bigint[], redemption_texts text[],
  -- History rows of everything else, as voucher.add_history takes them.
  history bigint[], history_texts text[]
) returns void
language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  touched int;
  taken text;
begin
  -- An assignment needs no executor, unlike a statement.
  for i in 1 .. coalesce(cardinality(campaigns), 0) by 2 loop
    taken := pg_advisory_xact_lock_shared(77, campaigns[i]::int);
  end loop;
  perform 1 from generate_series(1, cardinality(campaigns), 2) as i
    left join voucher.campaign c on c.id = campaigns[i]::int
    where c.policy_revision is distinct from campaigns[i + 1];
  if found then
    raise exception 'a campaign has changed' using errcode = 'FB001';
  end if;
  if held is not null then
    -- All rows this batch locks, in one order, before any of them is written.
    perform 1 from (
      select v.id
      from (
        select held[i] as id, held[i + 1] as version
        from generate_series(1, cardinality(held), 2) as i
        union all
        select states[i + 1], states[i + 2]
        from generate_series(0, cardinality(states) - 1, 15) as i
      ) w
      join voucher.voucher v on v.id = w.id and v.version = w.version
      order by v.code_key, v.id for no key update of v
    ) locked;
    get diagnostics touched = row_count;
    if touched <> cardinality(held) / 2 + coalesce(cardinality(states) / 15, 0) then
      raise exception 'a candidate has changed' using errcode = 'FB001';
    end if;
  end if;
  if states is not null then
    update voucher.voucher v set
      version = states[i + 3],
      count = states[i + 4], amount = states[i + 5],
      total = states[i + 6], total_amount = states[i + 7],
      period_end_ms = states[i + 8], period_seq = states[i + 9],
      calendar_revision = coalesce(states[i + 10], v.calendar_revision),
      last_reset_at_ms = coalesce(states[i + 11], v.last_reset_at_ms),
      hold_device = case states[i + 12]
        when 0 then v.hold_device when 1 then null else state_texts[i / 15 * 2 + 1] end,
      hold_owner = case states[i + 12]
        when 0 then v.hold_owner when 1 then null else state_texts[i / 15 * 2 + 2] end,
      hold_until_ms = case states[i + 12]
        when 0 then v.hold_until_ms when 1 then 0 else states[i + 13] end,
      last_redemption_at_ms = coalesce(states[i + 14], v.last_redemption_at_ms),
      last_redemption_location = case
        when states[i + 14] is null then v.last_redemption_location else states[i + 15] end,
      updated_at_ms = updated_at
    from generate_series(0, cardinality(states) - 1, 15) as i
    where v.id = states[i + 1] and v.version = states[i + 2];
    get diagnostics touched = row_count;
    if touched <> cardinality(states) / 15 then
      raise exception 'a voucher has changed' using errcode = 'FB001';
    end if;
  end if;
  if seen is not null then
    perform 1 from generate_series(1, cardinality(seen), 2) as i
      join voucher.voucher v on v.id = seen[i] and v.version = seen[i + 1];
    get diagnostics touched = row_count;
    if touched <> cardinality(seen) / 2 then
      raise exception 'a refused voucher has changed' using errcode = 'FB001';
    end if;
  end if;
  if absent is not null then
    perform 1 from generate_series(1, cardinality(absent)) as i
      join voucher.redemption r
        on r.keyed and r.voucher = absent[i]
        and r.device = absent_texts[2 * i - 1] and r.order_id = absent_texts[2 * i];
    if found then
      raise exception 'an order is recorded' using errcode = 'FB001';
    end if;
  end if;
  if redemptions is not null then
    -- An order that is recorded already violates the unique index, which undoes the batch like any
    -- other lost comparison. Asking first (ON CONFLICT) would cost a second probe and a second
    -- record in the log for every redemption.
    insert into voucher.redemption (
      id, code_key, voucher, device, order_id, fingerprint, amount_off, period_seq, state,
      requester, location, currency, request, response, redeemed_at_ms)
    select redemptions[i + 1], redemption_texts[i + 1], redemptions[i + 2], redemption_texts[i + 2],
           redemption_texts[i + 3], redemptions[i + 3], redemptions[i + 4], redemptions[i + 5], 0,
           redemption_texts[i + 4], redemptions[i + 6], redemption_texts[i + 5],
           redemption_texts[i + 6], redemption_texts[i + 7], redemptions[i + 7]
    from generate_series(0, cardinality(redemptions) - 1, 7) as i;
  end if;
  if history is not null then
    perform voucher.add_history(history, history_texts);
  end if;
end $$;
