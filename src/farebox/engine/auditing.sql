-- The provider's audit log.

-- name: note
-- One entry.
insert into isp.audit (account, credential, client, operation, target, outcome, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)
