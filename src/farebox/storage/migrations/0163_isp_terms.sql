-- After what silence a session is over is each account's own (isp.md 2). The figures of subscribers
-- tell it where the account is read anyway. What figures have to be written under and since when,
-- to be settled, is told beside them: whoever reads everybody joins the written figures in his own
-- way, and only those of the ids he reads.

alter table isp.account add session_silence_s int not null default 2700;
alter table isp.account add constraint account_session_silence_bounded
  check (session_silence_s between 60 and 86400);

create or replace view isp.bandwidth_row as
select s.id as subscriber, 'bandwidth'::text as kind, s.account, s.user_group, s.status,
       s.expires_at_ms, s.created_at_ms, s.time_zone as own_zone, o.policy as own_policy,
       coalesce(s.time_zone, a.time_zone) as zone, coalesce(o.policy, p.policy) as policy,
       coalesce(o.effective_from_ms, greatest(
         s.group_since_ms, g.profile_since_ms, p.policy_since_ms, p.created_at_ms)) as since_ms,
       a.alert_thresholds, p.billing_reset_type, q.window_start_ms, q.window_end_ms, q.upload,
       q.download, q.topup, q.carried, q.policy as written_policy,
       coalesce(q.time_zone, s.time_zone, a.time_zone) as written_zone,
       q.effective_from_ms as written_since_ms, q.settled_at_ms, q.previous, q.version,
       q.policy_hash = coalesce(o.policy_hash, p.policy_hash)
         and q.settled_at_ms >= case when o.policy is null
           then greatest(g.profile_since_ms, p.policy_since_ms, a.zone_since_ms)
           else a.zone_since_ms end
         and coalesce(q.time_zone = coalesce(s.time_zone, a.time_zone), true) as is_settled,
       q.policy_hash, coalesce(o.policy_hash, p.policy_hash) as terms_hash,
       case when o.policy is null
         then greatest(g.profile_since_ms, p.policy_since_ms, a.zone_since_ms)
         else a.zone_since_ms end as terms_since_ms,
       a.session_silence_s
  from isp.subscriber s
  join isp.account a on a.id = s.account
  join isp.user_group g on g.id = s.user_group
  join isp.profile p on p.id = g.profile
  left join isp.quota_override o on o.subscriber = s.id and o.kind = 'bandwidth'
  left join isp.quota_state q on q.subscriber = s.id and q.kind = 'bandwidth';

create or replace view isp.quota_row as
select * from isp.bandwidth_row
union all
select s.id, 'vendor', s.account, s.user_group, s.status, s.expires_at_ms, s.created_at_ms,
       s.time_zone, o.policy, coalesce(s.time_zone, a.time_zone), o.policy, o.effective_from_ms,
       a.alert_thresholds, p.billing_reset_type, q.window_start_ms, q.window_end_ms, q.upload,
       q.download, q.topup, q.carried, q.policy,
       coalesce(q.time_zone, s.time_zone, a.time_zone), q.effective_from_ms, q.settled_at_ms,
       q.previous, q.version,
       q.policy_hash = o.policy_hash and q.settled_at_ms >= a.zone_since_ms
         and coalesce(q.time_zone = coalesce(s.time_zone, a.time_zone), true),
       q.policy_hash, o.policy_hash, a.zone_since_ms, a.session_silence_s
  from isp.quota_override o
  join isp.subscriber s on s.id = o.subscriber
  join isp.account a on a.id = s.account
  join isp.user_group g on g.id = s.user_group
  join isp.profile p on p.id = g.profile
  left join isp.quota_state q on q.subscriber = s.id and q.kind = 'vendor'
 where o.kind = 'vendor';
