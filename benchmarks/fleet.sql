-- A fleet to measure with: campaigns and vouchers in bulk. Real vouchers are not made this way.

-- name: insert_campaigns
-- Twelve active discount campaigns of North, limited per voucher and month; returns nothing.
with made as (
  insert into voucher.campaign (owner, name, total_vouchers, type, voucher_value, redemption_limit,
                                reset_frequency, prefix, created_at_ms, updated_at_ms)
  select 2, 'Bench ' || g, 0, 'discount', 100, 2000000000, 'month', 'BENCH', $1, $1
  from generate_series(1, 12) g
  returning id
)
insert into voucher.calendar_revision (campaign, revision, frequency, zone, changed_at_ms,
                                       first_end_ms)
select id, 1, 'month', 'Europe/Amsterdam', $1, $2 from made

-- name: insert_vouchers
-- Vouchers number $1 to $2 exclusive, spread over the campaigns by number.
insert into voucher.voucher (code_key, code, campaign, inherit, currency, prefix, initial_value,
                             period_end_ms, created_at_ms, updated_at_ms)
select code, code, campaigns[1 + g % cardinality(campaigns)], true, 'EUR', 'BENCH', 100, $4, $3, $3
from (select g, 'BENCH-' || upper(lpad(to_hex(g * 2654435761 % 4294967296), 10, '0')) as code
      from generate_series($1::bigint, $2::bigint - 1) g) as numbered,
     (select array_agg(id order by id) as campaigns
      from voucher.campaign where prefix = 'BENCH') as c

-- name: campaigns
-- The campaigns of the fleet, in order.
select id from voucher.campaign where prefix = 'BENCH' order by id

-- name: counted
-- What the vouchers say was redeemed and what the rows say; equal, or something is broken.
select (select coalesce(sum(total), 0)::bigint from voucher.voucher
        where prefix = 'BENCH') as counted,
       (select count(*) from voucher.redemption where code_key like 'BENCH-%') as recorded

-- name: settle
-- Statistics for the planner and no dead rows left of the filling.
vacuum (analyze) voucher.voucher

-- name: server
-- What the numbers were measured on.
select current_setting('server_version') as version, current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('shared_buffers') as shared_buffers,
       current_setting('max_wal_size') as max_wal_size
