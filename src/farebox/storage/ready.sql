-- What a readiness probe asks.

-- name: applied
-- The names of all applied migrations.
select name from public.farebox_migration
