-- What goes before a summary.

-- name: prepare
-- Lets its statements run longer than ordinary ones, and be planned for what they are asked.
select set_config('statement_timeout', '30s', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
