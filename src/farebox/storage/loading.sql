-- Vouchers in bulk: a stage that COPY fills, and one statement that moves it to its place.

-- name: no_hurry
-- A chunk may take longer than a device would wait.
select set_config('statement_timeout', '300000', true)

-- name: make_stage
-- Where the rows of one transaction stand before they are checked against what exists.
create temporary table voucher_stage (
  campaign int, code_key text collate "C", code text collate "C", inherit bool, type text,
  value bigint, redemption_limit bigint, reset_frequency text, time_zone text, expires_on text,
  expires_before_ms bigint, currency text, prefix text, initial_value bigint, active bool,
  text1 text, text2 text, text3 text, text4 text, comments text, rules text, count bigint,
  amount bigint, total bigint, total_amount bigint, period_end_ms bigint, calendar_revision int
) on commit drop

-- name: add_stage
-- Adds what the campaigns do not have yet and raises the versions of the other vouchers under these
-- codes; those are the ones this statement's snapshot shows. Gives the number added by campaign.
with added as (
  insert into voucher.voucher (
    campaign, code_key, code, inherit, type, value, redemption_limit, reset_frequency, time_zone,
    expires_on, expires_before_ms, currency, prefix, initial_value, active, text1, text2, text3,
    text4, comments, rules, count, amount, total, total_amount, period_end_ms, calendar_revision,
    created_at_ms, updated_at_ms)
  select s.*, $1, $1 from voucher_stage s
  on conflict (code_key, campaign) do nothing
  returning code_key, campaign
),
others as (
  select v.id, v.code_key from voucher.voucher v
  where v.code_key in (select code_key from added)
  order by v.code_key, v.id for no key update of v
),
raised as (
  update voucher.voucher v set version = v.version + 1
  from others o where v.id = o.id and v.code_key = o.code_key
)
select campaign, count(*) as added from added group by campaign order by campaign

-- name: find_by_name
-- Campaigns of these names that these groups own; several may share a name.
select id, name from voucher.campaign where name = any($1::text[]) and owner = any($2::int[])
order by id

-- name: known_currencies
-- The alphabetic codes a campaign may name.
select code from vending.currency

-- name: group_below
-- A group with all its descendants.
with recursive below as (
  select id from vending.usergroup where id = $1 and not deleted
  union all
  select g.id from vending.usergroup g join below b on g.parent = b.id where not g.deleted)
select id from below
