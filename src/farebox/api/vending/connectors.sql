-- How a connector shows that it has secrets without showing them.

-- name: hidden_secret
-- A mask where bodies are signed.
case when t.is_signed then '********' end

-- name: hidden_headers
-- The names of further headers, their values masked.
(select coalesce(jsonb_object_agg(h, '********'), '{}') from unnest(t.header_names) as h)

-- name: sealed
-- The sealed secrets of a connector.
select sealed from vending.connector where id = $1
