-- The ledger of applied migrations. It lives in public, because it must exist before the first
-- migration.

-- name: lock
-- One migrator at a time in this database; the lock ends with the session.
select pg_advisory_lock(79, 1)

-- name: create_ledger
-- What was applied, and the checksum it had.
create table if not exists public.farebox_migration (
  number int primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
)

-- name: applied
-- Everything applied so far.
select number, name, sha256 from public.farebox_migration order by number

-- name: record
-- Remember a migration, in its own transaction.
insert into public.farebox_migration (number, name, sha256) values ($1, $2, $3)

-- name: reset_settings
-- A migration's SET must not reach the next one.
reset all

-- name: no_time_limit
-- Moving data may take longer than a request is allowed to.
set statement_timeout = 0
