-- How a service without a desk would redeem: the same rows, one request at a time.

-- name: lock_voucher
-- First step of the row lock: the voucher and what its campaign says, locked until the commit.
select v.id, v.count, v.period_end_ms, v.active, c.voucher_value, c.redemption_limit, c.status
from voucher.voucher v join voucher.campaign c on c.id = v.campaign
where v.code_key = $1 and v.campaign = $2
for no key update of v

-- name: write_voucher
-- Second step: the new counters.
update voucher.voucher set
  count = count + 1, amount = amount + $2, total = total + 1, total_amount = total_amount + $2,
  version = version + 1, last_redemption_at_ms = $3, last_redemption_location = 2,
  updated_at_ms = $3
where id = $1

-- name: write_redemption
-- Third step: the redemption, which is the history too.
insert into voucher.redemption (id, code_key, voucher, device, order_id, fingerprint, amount_off,
                                period_seq, state, requester, location, currency, request, response,
                                redeemed_at_ms)
values ($1, $2, $3, 'm:80', $4, 0, $5, 0, 0, 'gw-0080', 2, 'EUR', $6, $7, $8)

-- name: redeem_in_one
-- All of it in one conditional statement: no row comes back when the voucher may not be redeemed.
with taken as (
  update voucher.voucher v set
    count = v.count + 1, amount = v.amount + c.voucher_value, total = v.total + 1,
    total_amount = v.total_amount + c.voucher_value, version = v.version + 1,
    last_redemption_at_ms = $4, last_redemption_location = 2, updated_at_ms = $4
  from voucher.campaign c
  where v.code_key = $1 and v.campaign = $2 and c.id = v.campaign and c.status = 'active'
    and v.active and v.period_end_ms > $4
    and (c.redemption_limit = 0 or v.count < c.redemption_limit)
  returning v.id, c.voucher_value
)
insert into voucher.redemption (id, code_key, voucher, device, order_id, fingerprint, amount_off,
                                period_seq, state, requester, location, currency, request, response,
                                redeemed_at_ms)
select $3, $1, id, 'm:80', $5, 0, voucher_value, 0, 0, 'gw-0080', 2, 'EUR', $6, $7, $4 from taken
returning voucher
