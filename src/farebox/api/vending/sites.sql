-- Places, where the resource engine needs more than a table.

-- name: location_rules
-- Campaign rules that name a location by its id, which keeps it from being deleted.
(select case when r.value ~ '^[0-9]{1,9}$' then r.value::int end as location
 from voucher.campaign_rule r where r.field = 'location')

-- name: voucher_rules
-- Rules of single vouchers that name a location by its id.
(select case when r.rule ->> 'value' ~ '^[0-9]{1,9}$' then (r.rule ->> 'value')::int end as location
 from voucher.voucher v cross join jsonb_array_elements(v.rules::jsonb) as r (rule)
 where v.rules is not null and r.rule ->> 'field' = 'location')
