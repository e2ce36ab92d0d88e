-- What operators want to know and to set: when a credential was last used, and whether subscribers
-- are told that their quota is nearly used up (isp.md 2, 4.8).

-- Beside the credential: a call does not wait for another one that notes its use.
create table isp.credential_use (
  token text primary key references isp.credential on update cascade on delete cascade,
  at_ms bigint not null
);

alter table isp.account add usage_alerts text not null default 'none';
alter table isp.account add constraint account_usage_alerts_known
  check (usage_alerts in ('none', 'sms', 'email', 'both'));
