-- What belongs to no family: effects that leave the building, and answers kept for repeated
-- requests.

create schema farebox;

-- One row per effect (mail, PDF job, voucher generation, webhook ...), written in the transaction
-- that wants it and delivered at least once by a worker with FOR UPDATE SKIP LOCKED.
create table farebox.outbox (
  id bigint generated always as identity primary key,
  kind text not null,
  payload jsonb not null,
  state text not null default 'pending',
  attempts int not null default 0,
  next_at_ms bigint not null,
  created_at_ms bigint not null,
  finished_at_ms bigint,
  error text,
  constraint outbox_state_known check (state in ('pending', 'done', 'dead'))
);
create index outbox_due on farebox.outbox (next_at_ms, id) where state = 'pending';

-- Stored answers of requests that carried an Idempotency-Key (vending-platform.md 1.7), kept 24
-- hours.
create table farebox.idempotency (
  owner text not null,
  key text not null,
  request_hash bytea not null,
  status int not null,
  headers jsonb not null,
  body bytea not null,
  created_at_ms bigint not null,
  constraint idempotency_pk primary key (owner, key)
);
create index idempotency_age on farebox.idempotency (created_at_ms);
