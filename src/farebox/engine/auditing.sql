-- The provider's audit log.

-- name: note
-- One entry.
insert into isp.audit (account, credential, client, operation, target, outcome, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: list
-- Entries after an id.
select id, created_at_ms, credential, client, operation, target, outcome from isp.audit
 where account = $1 and ($2::text is null or target = $2)
   and ($3::bigint is null or created_at_ms >= $3)
   and ($4::bigint is null or created_at_ms < $4) and id > $5
 order by id limit $6
