-- What the redemption desk reads and writes.

-- name: read_codes
-- All candidates of these codes with the policy revision of their campaigns, as they are now.
select v.code_key, v.id, v.code, v.campaign, v.inherit, v.type, v.value, v.redemption_limit,
       v.reset_frequency, v.time_zone, v.expires_before_ms, v.currency, v.active, v.rules,
       v.count, v.amount, v.total, v.total_amount, v.period_end_ms, v.period_seq,
       v.calendar_revision, v.last_reset_at_ms, v.hold_device, v.hold_until_ms, v.version,
       c.policy_revision
from voucher.voucher v
join voucher.campaign c on c.id = v.campaign
where v.code_key = any($1::text[])
order by v.code_key, v.campaign, v.id

-- name: lock_codes
-- The same, each row locked in the order (code_key, id) until the transaction ends.
select v.code_key, v.id, v.code, v.campaign, v.inherit, v.type, v.value, v.redemption_limit,
       v.reset_frequency, v.time_zone, v.expires_before_ms, v.currency, v.active, v.rules,
       v.count, v.amount, v.total, v.total_amount, v.period_end_ms, v.period_seq,
       v.calendar_revision, v.last_reset_at_ms, v.hold_device, v.hold_until_ms, v.version,
       c.policy_revision
from voucher.voucher v
join voucher.campaign c on c.id = v.campaign
where v.code_key = any($1::text[])
order by v.code_key, v.id
for no key update of v

-- name: moved_on
-- Which of these vouchers and campaigns are no longer as they are held: gone, or changed since.
-- A voucher that comes to a code raises the versions of the others, so versions cover who they are.
select w.id, false as is_campaign
from unnest($1::text::bigint[], $2::text::bigint[]) as w (id, version)
where not exists (
  select from voucher.voucher v where v.id = w.id and v.version = w.version
)
union all
select w.id, true
from unnest($3::text::bigint[], $4::text::bigint[]) as w (id, revision)
where not exists (
  select from voucher.campaign c where c.id = w.id and c.policy_revision = w.revision
)

-- name: read_campaigns
-- What decisions rely on at campaign level, with rules and calendar revisions as JSON.
select c.id, c.owner, c.type, c.voucher_value, c.redemption_limit, c.reset_frequency,
       c.expires_before_ms, c.currency, c.time_zone, c.status, c.policy_revision,
       c.calendar_revision,
       (select coalesce(json_agg(json_build_object('field', r.field, 'value', r.value)
                                 order by r.id), '[]')::text
        from voucher.campaign_rule r where r.campaign = c.id) as rules,
       (select coalesce(json_agg(x order by x.revision), '[]')::text
        from voucher.calendar_revision x where x.campaign = c.id) as calendar_revisions
from voucher.campaign c
where c.id = any($1::int[])

-- name: active_campaigns
-- Campaigns whose vouchers may be asked for, the newest first.
select id from voucher.campaign where status = 'active' order by id desc

-- name: stretch_end
-- The id that ends a stretch of a campaign's vouchers after an id; null when there are none.
select max(id)
from (
  select id from voucher.voucher where campaign = $1 and id > $2 order by id limit $3
) stretch

-- name: warm
-- Inherit vouchers of one campaign as the book takes them, from one id to another: those whose
-- terms are all the campaign's, that nobody holds, and whose code has no other candidate.
select v.code_key, v.id, v.active,
       coalesce(v.expires_before_ms, $4::bigint, 9223372036854775807),
       v.count, v.amount, v.total, v.total_amount, v.period_end_ms, v.period_seq, v.version
from voucher.voucher v
where v.campaign = $1::int and v.id > $2::bigint and v.id <= $3::bigint
  and v.inherit and v.value is null and v.rules is null and v.code = v.code_key
  and v.calendar_revision = $5::int and v.hold_device is null
  and not exists (select from voucher.voucher o
                  where o.code_key = v.code_key and o.campaign <> v.campaign)

-- name: lock_campaigns
-- Campaigns of these codes, locked for reading.
select voucher.lock_campaigns($1::text[])

-- name: read_orders
-- Records of these orders at these vouchers, whatever their age.
select r.id, r.code_key, r.voucher, r.device, r.order_id, r.fingerprint, r.amount_off, r.period_seq,
       r.state, r.response, r.rollback_response, r.redeemed_at_ms
from unnest($1::bigint[], $2::text[], $3::text[]) as w (voucher, device, order_id)
join voucher.redemption r
  on r.keyed and r.voucher = w.voucher and r.device = w.device and r.order_id = w.order_id

-- name: read_redemption
-- One redemption by its id, whatever its age.
select r.id, r.code_key, r.voucher, r.device, r.order_id, r.fingerprint, r.amount_off, r.period_seq,
       r.state, r.response, r.rollback_response, r.redeemed_at_ms
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (code_key, voucher, id)
join voucher.redemption r on r.code_key = w.code_key and r.id = w.id and r.voucher = w.voucher

-- name: unkey_orders
-- Orders that are redeemed anew after their replay window give up their key.
update voucher.redemption r set keyed = false
from unnest($1::text[], $2::bigint[]) as w (code_key, id)
where r.code_key = w.code_key and r.id = w.id

-- name: roll_back
-- Marks redemptions as given back, with the answer a repetition gets.
update voucher.redemption r set state = 1, rolled_back_at_ms = w.at, rollback_response = w.response
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as w (code_key, id, at, response)
where r.code_key = w.code_key and r.id = w.id and r.state = 0

-- name: bury
-- Tombstones: orders that were rolled back before they came.
insert into voucher.redemption (
  id, code_key, voucher, device, order_id, fingerprint, amount_off, period_seq, state, requester,
  location, currency, request, response, rollback_response, redeemed_at_ms)
select w.id, w.code_key, w.voucher, w.device, w.order_id, 0, 0, 0, 2, w.requester,
       w.location, w.currency, w.request, '', w.response, w.at
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::int[],
            $8::text[], $9::text[], $10::text[], $11::bigint[])
  as w (id, code_key, voucher, device, order_id, requester, location, currency, request, response,
        at)

-- name: add_history
-- History rows that need no decision's commit: validations without a hold.
select voucher.add_history($1::text::bigint[], string_to_array($2::text, chr(31)))

-- name: commit_batch
-- The usual path: compare and write a whole batch in one round trip. Every group comes as the
-- numbers of all its rows, an array's literal, and as their texts, joined by U+001F (U+001E for
-- null): the server splits them many times faster than the driver encodes arrays.
select voucher.commit_batch(
  $1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[],
  string_to_array($5::text, chr(31)), $6::text::bigint[],
  string_to_array($7::text, chr(31), chr(30)), $8::bigint, $9::text::bigint[],
  string_to_array($10::text, chr(31)), $11::text::bigint[], string_to_array($12::text, chr(31)))

-- name: take_event_ids
-- The first id of a block of 4096 for redemptions and history rows.
select nextval('voucher.event_id')

-- name: own_backend
-- Which backend serves this connection, and since when.
select pg_backend_pid(), (extract(epoch from backend_start) * 1000000)::bigint
from pg_stat_activity where pid = pg_backend_pid()

-- name: end_backend
-- Ends a backend whose connection was lost.
select pg_terminate_backend(pid) from pg_stat_activity
where pid = $1 and (extract(epoch from backend_start) * 1000000)::bigint = $2

-- name: backend_lives
-- Whether a backend still runs and could still commit.
select exists (
  select 1 from pg_stat_activity
  where pid = $1 and (extract(epoch from backend_start) * 1000000)::bigint = $2)
