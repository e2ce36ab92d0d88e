-- Records of usage that are told apart by their own id, remembered for 35 days (isp.md 4.9.1).

create table isp.usage_record (
  account text not null references isp.account on delete cascade,
  record_id text not null,
  created_at_ms bigint not null,
  primary key (account, record_id)
);
create index usage_record_age on isp.usage_record (created_at_ms);
