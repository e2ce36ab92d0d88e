-- Exports of lists as CSV.

-- name: take_time
-- Lets the statements of this transaction run longer than those of ordinary requests.
set local statement_timeout = '60s'
