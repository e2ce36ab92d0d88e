-- What operators may change of a group beyond its own members' rights.

-- name: grant_permissions
-- Grants exactly these; a write that changes nothing leaves the row alone.
update vending.usergroup as g set permissions = $2::text[], updated_at_ms = $3
where g.id = $1 and g.permissions is distinct from $2::text[]
