-- Months of calls in the order in which they are asked for; the work is in functions of the schema.

-- name: try_alone
-- One process at a time puts a month in order.
select pg_try_advisory_lock(79, 4)

-- name: end_alone
-- Another one may.
select pg_advisory_unlock(79, 4)

-- name: next
-- The month whose turn it is.
select part, from_ms, until_ms from pbx.month_to_order($1, $2)

-- name: be_patient
-- A copy takes as long as it takes.
select set_config('statement_timeout', '0', true)

-- name: be_brief
-- Who waits for a lock has others wait behind it.
select set_config('lock_timeout', '500ms', true)

-- name: begin
-- Changes are noted.
select pbx.begin_copy($1, $2, $3)

-- name: fill
-- Calls are copied.
select pbx.fill_copy($1)

-- name: use
-- The copy takes the month's place.
select pbx.use_copy($1, $2, $3, $4)
