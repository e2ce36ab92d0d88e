-- More volume for a window, or less.

-- name: add
-- What the present window has beside its limit.
update isp.quota_state set topup = topup + $3, version = version + 1
 where subscriber = $1 and kind = $2
