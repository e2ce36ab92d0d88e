-- Who may begin a session.

-- name: known
-- A subscriber's password and own attributes, and the kind of device that asks.
select s.password_sealed,
       (select o.attributes from isp.quota_override o
         where o.subscriber = s.id and o.kind = 'vendor') as attributes,
       (select n.vendor
          from isp.ancestry($2) with ordinality as above(account, depth)
          join isp.nas n on n.account = above.account
         where ($3 <> '' and n.identifier = $3) or ($4 <> '' and n.ip = $4)
         order by above.depth, n.id limit 1) as vendor
  from isp.subscriber s where s.id = $1

-- name: remember
-- What his next session holds.
insert into isp.admission (subscriber, at_ms, template, attributes) values ($1, $2, $3, $4)
on conflict (subscriber) do update set
  at_ms = excluded.at_ms, template = excluded.template, attributes = excluded.attributes
