-- Vouchers: creation, edits, and reading them in their effective state.

-- name: exclude_creations
-- One transaction at a time creates vouchers, so that equal codes are created one after the other.
select pg_advisory_xact_lock(78, 0)

-- name: insert_inheriting
-- New vouchers that take their settings from the campaign; codes it has already are left out.
insert into voucher.voucher (
  code_key, code, campaign, inherit, currency, prefix, initial_value, text1, text2, text3, text4,
  style, comments, rules, period_end_ms, calendar_revision, created_at_ms, updated_at_ms)
select w.code_key, w.code, $3, true, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16
from unnest($1::text[], $2::text[]) with ordinality as w (code_key, code, n)
order by w.n
on conflict (code_key, campaign) do nothing
returning id, code_key

-- name: insert_own
-- New vouchers with settings of their own; codes the campaign has already are left out.
insert into voucher.voucher (
  code_key, code, campaign, inherit, currency, prefix, initial_value, text1, text2, text3, text4,
  style, comments, rules, period_end_ms, calendar_revision, created_at_ms, updated_at_ms,
  type, value, redemption_limit, reset_frequency, time_zone, expires_on, expires_before_ms)
select w.code_key, w.code, $3, false, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
       $16, $17, $6, $18, $19, $20, $21, $22
from unnest($1::text[], $2::text[]) with ordinality as w (code_key, code, n)
order by w.n
on conflict (code_key, campaign) do nothing
returning id, code_key

-- name: raise_candidates
-- A version covers the candidate set of a code: existing vouchers learn of a new one with theirs.
with others as (
  select v.id, v.code_key from voucher.voucher v
  where v.code_key = any($1::text[]) and v.campaign <> $2
  order by v.code_key, v.id for no key update of v)
update voucher.voucher v set version = v.version + 1
from others o where v.id = o.id and v.code_key = o.code_key

-- name: count_candidates
-- How many vouchers share a code.
select count(*) from voucher.voucher where code_key = $1

-- name: count_in_campaign
-- How many vouchers a campaign has.
select count(*) from voucher.voucher where campaign = $1

-- name: newest_in_campaign
-- The newest voucher of a campaign.
select max(id) from voucher.voucher where campaign = $1

-- name: find_campaign
-- The campaign of a voucher; it never changes.
select campaign from voucher.voucher where id = $1

-- name: lock_voucher
-- A voucher, locked until the transaction ends.
select v.id, v.code_key, v.campaign, v.inherit, v.type, v.value, v.redemption_limit,
       v.reset_frequency, v.time_zone, v.expires_on, v.expires_before_ms, v.active, v.text1,
       v.text2, v.text3, v.text4, v.style, v.comments, v.rules, v.count, v.amount, v.period_end_ms,
       v.period_seq, v.calendar_revision, v.last_reset_at_ms, v.last_redemption_at_ms
from voucher.voucher v
where v.id = $1
for no key update of v

-- name: update_voucher
-- A voucher after an edit: settings, and the period they put its counters in.
update voucher.voucher v set
  inherit = $3, type = $4, value = $5, redemption_limit = $6, reset_frequency = $7, time_zone = $8,
  expires_on = $9, expires_before_ms = $10, active = $11, text1 = $12, text2 = $13, text3 = $14,
  text4 = $15, style = $16, comments = $17, rules = $18, count = $19, amount = $20,
  period_end_ms = $21, period_seq = $22, calendar_revision = $23, last_reset_at_ms = $24,
  version = v.version + 1, updated_at_ms = $25
where v.id = $1 and v.code_key = $2

-- name: read_log
-- What happened at a voucher, newest first; a successful redemption is its own history.
select e.id, e.requester, e.location, e.action, e.success, e.currency, e.request, e.response,
       e.created_at_ms
from (
  (select r.id, r.requester, r.location, 1::smallint as action, true as success, r.currency,
          r.request, r.response, r.redeemed_at_ms as created_at_ms
   from voucher.redemptions_of($1, $2) r
   where r.state <> 2
   order by r.redeemed_at_ms desc, r.id desc limit $3::bigint + $4::bigint)
  union all
  (select h.id, h.requester, h.location, h.action, h.success, h.currency, h.request, h.response,
          h.created_at_ms
   from voucher.history h
   where h.voucher = $1
   order by h.created_at_ms desc, h.id desc limit $3::bigint + $4::bigint)) e
order by e.created_at_ms desc, e.id desc
limit $3 offset $4

-- name: count_log
-- How many entries the log of a voucher has.
select (select count(*) from voucher.redemptions_of($1, $2) r where r.state <> 2)
     + (select count(*) from voucher.history h where h.voucher = $1)

-- name: read_redemptions
-- The redemptions of a voucher with what was given back, newest first.
select r.id, r.device, r.order_id, r.keyed, r.fingerprint, r.amount_off, r.period_seq, r.state,
       r.requester, r.location, r.currency, r.response, r.rollback_response, r.redeemed_at_ms,
       r.rolled_back_at_ms
from voucher.redemptions_of($1, $2) r
order by r.redeemed_at_ms desc, r.id desc
limit $3 offset $4

-- name: count_redemptions
-- How many redemptions and tombstones a voucher has.
select count(*) from voucher.redemptions_of($1, $2)

-- name: find_code
-- The canonical code of a voucher whose campaign one of these groups owns.
select v.code_key from voucher.voucher v
join voucher.campaign c on c.id = v.campaign
where v.id = $1 and c.owner = any($2::int[])

-- name: calendars
-- Which calendars the vouchers and campaigns of these groups run by.
select c.reset_frequency as frequency, c.time_zone as zone
from voucher.campaign c where c.owner = any($1::int[]) and c.reset_frequency <> 'never'
union
select v.reset_frequency, v.time_zone
from voucher.voucher v join voucher.campaign c on c.id = v.campaign
where c.owner = any($1::int[]) and not v.inherit and v.reset_frequency <> 'never'

-- name: be_patient
-- A list of all vouchers may take longer than other calls.
select set_config('statement_timeout', $1, true)

-- name: seen
-- Vouchers as they are at {now_ms}: settings resolved, calendar edits and due resets applied.
-- {starts} maps "frequency zone" to the start of the window that runs now; where a needed one is
-- missing, last_reset_at_ms is 0, and the reader works it out.
(select v.id, v.code, v.code_key, v.campaign, c.owner, s.type, s.value, 'cents' as value_type,
        s.currency, s.redemption_limit, s.frequency, s.zone, s.expires_on, v.initial_value,
        v.prefix, v.total, v.total_amount, p.count, p.amount, b.balance, v.last_redemption_at_ms,
        v.last_redemption_location::text as last_redemption_location,
        case when p.is_due
               then coalesce(({starts}::jsonb ->> (s.frequency || ' ' || s.zone))::bigint, 0)
             when p.was_reset then coalesce(left_at.later_start_ms, left_at.last_start_ms)
             else v.last_reset_at_ms end as last_reset_at_ms,
        case when v.hold_until_ms > {now_ms}::bigint then v.hold_owner end as lock_owner,
        -- Rounded up: a lock must not look shorter than it is.
        case when v.hold_until_ms > {now_ms}::bigint
             then (v.hold_until_ms + 999) / 1000 * 1000 end as locked_till_ms,
        case when not v.active then 'inactive'
             when s.expires_before_ms <= {now_ms}::bigint then 'expired'
             when s.frequency = 'never'
                  and ((s.redemption_limit > 0 and p.count >= s.redemption_limit)
                       or (s.type = 'gift' and b.balance = 0)) then 'redeemed'
             else 'active' end as status,
        coalesce(v.text1, c.voucher_text1) as text1, coalesce(v.text2, c.voucher_text2) as text2,
        coalesce(v.text3, c.voucher_text3) as text3, coalesce(v.text4, c.voucher_text4) as text4,
        coalesce(v.style, c.voucher_style) as style,
        coalesce(v.logo_image, c.logo_image)::text as logo_image,
        v.pdf_status, case when v.pdf_status = 'ready' then '' end as pdf_url, v.comments,
        v.created_at_ms, v.updated_at_ms
 from voucher.voucher v
 join voucher.campaign c on c.id = v.campaign
 left join voucher.calendar_revision left_at
   on v.inherit and v.calendar_revision <> c.calendar_revision
  and left_at.campaign = v.campaign and left_at.revision = v.calendar_revision
 left join voucher.calendar_revision arrived
   on v.inherit and v.calendar_revision <> c.calendar_revision
  and arrived.campaign = v.campaign and arrived.revision = c.calendar_revision
 cross join lateral (
   select case when v.inherit then c.type else v.type end as type,
          coalesce(v.value, c.voucher_value) as value,
          case when v.inherit then c.currency else v.currency end as currency,
          case when v.inherit then c.redemption_limit else v.redemption_limit end
            as redemption_limit,
          case when v.inherit then c.reset_frequency else v.reset_frequency end as frequency,
          case when v.inherit then c.time_zone else v.time_zone end as zone,
          case when v.inherit then coalesce(v.expires_on, c.expires_on) else v.expires_on end
            as expires_on,
          case when v.inherit then coalesce(v.expires_before_ms, c.expires_before_ms)
               else v.expires_before_ms end as expires_before_ms) s
 cross join lateral (
   select coalesce(arrived.first_end_ms, v.period_end_ms) <= {now_ms}::bigint as is_due,
          coalesce(v.period_end_ms <= left_at.superseded_at_ms
                   or left_at.later_start_ms is not null, false) as was_reset) d
 cross join lateral (
   select d.is_due, d.was_reset,
          case when d.is_due or d.was_reset then 0 else v.count end as count,
          case when d.is_due or d.was_reset then 0 else v.amount end as amount) p
 cross join lateral (
   select case when s.type = 'gift' then greatest(0, s.value - p.amount) else 0 end as balance) b)
