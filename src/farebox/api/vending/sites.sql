-- Places, where the resource engine needs more than a table.

-- name: location_rules
-- Campaign rules that name a location by its id, which keeps it from being deleted.
(select case when r.value ~ '^[0-9]{1,9}$' then r.value::int end as location
 from voucher.campaign_rule r where r.field = 'location')
