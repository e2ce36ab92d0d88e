-- Changes of speed or attributes that the network has to be told (isp.md 4.7, 4.10).

-- At most one of a kind is open for a subscriber; its job works out anew what is to be sent.
create table isp.switch (
  subscriber bigint not null references isp.subscriber on delete cascade,
  kind text not null,
  since_ms bigint not null,
  primary key (subscriber, kind)
);
