-- Campaigns, their rules and calendars: what management reads and writes.

-- name: limit_waiting
-- How long statements of this transaction wait for a lock.
select set_config('lock_timeout', $1, true)

-- name: exclude_decisions
-- Waits until nothing decides on this campaign's vouchers, and keeps it so.
select pg_advisory_xact_lock(77, $1)

-- name: exclude_edits
-- Keeps this campaign as it is while its vouchers are decided on or written.
select pg_advisory_xact_lock_shared(77, $1)

-- name: read_campaign
-- A campaign of one of these groups.
select c.id, c.owner, c.name, c.type, c.total_vouchers, c.voucher_value, c.redemption_limit,
       c.reset_frequency, c.expires_on, c.expires_before_ms, c.currency, c.time_zone, c.prefix,
       c.voucher_text1, c.voucher_text2, c.voucher_text3, c.voucher_text4, c.voucher_style,
       c.logo_image, c.status, c.wanted_status, c.calendar_revision
from voucher.campaign c
where c.id = $1 and ($2::int[] is null or c.owner = any($2::int[]))

-- name: hold_sheet
-- Locks a campaign that has a sheet, before any voucher of it is locked.
select from voucher.campaign where id = $1 and pdf_status <> 'empty' for no key update

-- name: insert_campaign
-- A new campaign, at its first policy and calendar revision.
insert into voucher.campaign (
  owner, owner_data, name, total_vouchers, type, voucher_value, redemption_limit, reset_frequency,
  expires_on, expires_before_ms, currency, time_zone, prefix, voucher_text1, voucher_text2,
  voucher_text3, voucher_text4, voucher_style, logo_image, status, wanted_status, created_at_ms,
  updated_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $22)
returning id

-- name: update_campaign
-- The settings of a campaign after an edit.
update voucher.campaign c set
  name = $2, redemption_limit = $3, reset_frequency = $4, expires_on = $5, expires_before_ms = $6,
  currency = $7, time_zone = $8, voucher_text1 = $9, voucher_text2 = $10, voucher_text3 = $11,
  voucher_text4 = $12, voucher_style = $13, logo_image = $14, status = $15,
  policy_revision = c.policy_revision + $16::bool::int, updated_at_ms = $17
where c.id = $1

-- name: finish_campaign
-- Ends the creation of a campaign with the wanted status, or as failed.
update voucher.campaign c set
  status = case when $2::bool then c.wanted_status else 'failed' end,
  policy_revision = c.policy_revision + 1, updated_at_ms = $3
where c.id = $1 and c.status = 'creating'

-- name: abandoned
-- Campaigns that wait for vouchers which no job makes any more.
select c.id from voucher.campaign c
where c.status = 'creating'
  and not exists (select from farebox.outbox o
                  where o.kind = 'campaign.generate' and o.state = 'pending'
                    and (o.payload ->> 'campaign')::int = c.id)
order by c.id

-- name: add_to_total
-- Counts new vouchers.
update voucher.campaign set total_vouchers = total_vouchers + $2, updated_at_ms = $3
where id = $1

-- name: touch_policy
-- Marks that something outside the row, its rules, has changed.
update voucher.campaign set policy_revision = policy_revision + 1, updated_at_ms = $2
where id = $1

-- name: read_calendar
-- All calendar revisions of a campaign.
select revision, frequency, zone, changed_at_ms, superseded_at_ms, first_end_ms, next_end_ms,
       last_start_ms, later_start_ms
from voucher.calendar_revision where campaign = $1 order by revision

-- name: save_calendar
-- Writes calendar revisions as they are told now.
insert into voucher.calendar_revision (
  campaign, revision, frequency, zone, changed_at_ms, superseded_at_ms, first_end_ms, next_end_ms,
  last_start_ms, later_start_ms)
select $1, *
from unnest($2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[])
on conflict (campaign, revision) do update set
  superseded_at_ms = excluded.superseded_at_ms, next_end_ms = excluded.next_end_ms,
  last_start_ms = excluded.last_start_ms, later_start_ms = excluded.later_start_ms

-- name: point_at_calendar
-- Names the current calendar revision.
update voucher.campaign set calendar_revision = $2 where id = $1

-- name: is_used
-- Whether anything was ever redeemed in a campaign.
select exists (
  select 1 from voucher.voucher where campaign = $1 and last_redemption_at_ms is not null)

-- name: own_expiries
-- Expiry texts that inherit vouchers of a campaign have of their own.
select distinct expires_on from voucher.voucher
where campaign = $1 and inherit and expires_on is not null

-- name: move_expiries
-- Gives own expiry texts of inherit vouchers their new instants.
with moved as (
  select v.id, v.code_key, w.expires_before_ms
  from voucher.voucher v
  join unnest($2::text[], $3::bigint[]) as w (expires_on, expires_before_ms)
    on w.expires_on = v.expires_on
  where v.campaign = $1 and v.inherit
    and v.expires_before_ms is distinct from w.expires_before_ms
  order by v.code_key, v.id for no key update of v)
update voucher.voucher v set
  expires_before_ms = moved.expires_before_ms, version = v.version + 1, updated_at_ms = $4
from moved where v.id = moved.id and v.code_key = moved.code_key

-- name: read_rules
-- The rules of a campaign.
select id, field, value from voucher.campaign_rule where campaign = $1 order by id

-- name: clear_rules
-- Removes all rules of a campaign.
delete from voucher.campaign_rule where campaign = $1

-- name: insert_rules
-- Adds rules; those that had an id keep it.
insert into voucher.campaign_rule (id, campaign, field, value)
select coalesce(w.id, nextval('voucher.campaign_rule_id_seq')), $1, w.field, w.value
from unnest($2::int[], $3::text[], $4::text[]) with ordinality as w (id, field, value, n)
order by w.n

-- name: stats
-- What became of a campaign's vouchers.
select s.vouchers, s.vouchers_used, s.redemptions, s.amount_redeemed,
       (select count(*) from voucher.redemption r
        join voucher.voucher v on v.id = r.voucher and v.code_key = r.code_key
        where v.campaign = $1 and r.state = 1) as rollbacks
from (select count(*) as vouchers, count(*) filter (where v.total > 0) as vouchers_used,
             coalesce(sum(v.total), 0)::bigint as redemptions,
             coalesce(sum(v.total_amount), 0)::bigint as amount_redeemed
      from voucher.voucher v where v.campaign = $1) s

-- name: refusals
-- Refused validations and redemptions of a campaign's vouchers by reason.
select h.reason, count(*) as refused
from voucher.history h
join voucher.voucher v on v.id = h.voucher
where v.campaign = $1 and h.action in (0, 1) and not h.success
group by h.reason order by h.reason

-- name: be_patient
-- A statement over all vouchers of a campaign may take longer than a device would wait.
select set_config('statement_timeout', $1, true)

-- name: is_currency
-- Whether a currency of this code exists.
select exists (select 1 from vending.currency where code = $1)

-- name: is_image
-- Whether a group may use an image: its own, of a group below it, or of one above it.
with recursive up as (
  select g.id, g.parent from vending.usergroup g where g.id = $2
  union all
  select g.id, g.parent from up join vending.usergroup g on g.id = up.parent)
select exists (
  select 1 from vending.image i
  where i.id = $1 and (i.owner = any($3::int[]) or i.owner in (select up.id from up)))

-- name: seen
-- Campaigns as they are shown.
-- {starts} maps "frequency zone" to the start of the window that runs now; where a needed one is
-- missing, last_reset_at_ms is 0, and the reader works it out.
(select c.*, case when c.pdf_status = 'ready' then '' end as pdf_url,
        case when c.reset_frequency = 'never' or w.start_ms > 0 and w.start_ms <= c.created_at_ms
             then null else w.start_ms end as last_reset_at_ms
 from voucher.campaign c
 cross join lateral (
   select coalesce(({starts}::jsonb ->> (c.reset_frequency || ' ' || c.time_zone))::bigint, 0)
     as start_ms) w)
