-- Who is to expire next is found without looking at everybody (isp.md 2.2).

create index subscriber_expiry on isp.subscriber (expires_at_ms) where status = 'active';
