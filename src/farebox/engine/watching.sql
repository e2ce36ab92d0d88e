-- Alerts: which observers watch which machines, whether their conditions hold, and the edges
-- between holding and not (vending-platform.md 4.7). A record that clears another is no event.

-- name: pairs
-- Everything that is watched, in order, after a pair.
select * from vending.watched
 where (alertobserver, machine) > ($1::int, $2::int)
 order by alertobserver, machine limit $3

-- name: pairs_at
-- What is watched at machines.
select * from vending.watched where machine = any($1::int[]) order by alertobserver, machine

-- name: hours
-- The opening hours of machines that have any.
select h.machine, array_agg(h.day order by h.day, h.start_s, h.end_s) as days,
       array_agg(h.start_s order by h.day, h.start_s, h.end_s) as starts,
       array_agg(h.end_s order by h.day, h.start_s, h.end_s) as ends
  from vending.openinghours h where h.machine = any($1::int[]) group by h.machine

-- name: event_occurrence
-- Those with enough matching logs in their spans of time; both ends belong to a span.
select s.pair
  from unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::bigint[], $6::bigint[])
       as s (pair, machine, error, occurs, from_ms, to_ms)
 cross join lateral (
         select from vending.log g
          where g.machine = s.machine and g.occurred_at_ms between s.from_ms and s.to_ms
            and (s.error is null or g.error_identity = s.error)
            and g.state is distinct from 'clear'
          limit s.occurs) as found
 group by s.pair, s.occurs
having count(*) >= s.occurs

-- name: event_non_resolution
-- Those with a matching log that is open and began when their window did, or before.
select p.pair
  from unnest($1::int[], $2::int[], $3::int[], $4::bigint[]) as p (pair, machine, error, from_ms)
 where exists (select from vending.log g
                where g.machine = p.machine and g.is_resolvable and g.resolved_at_ms is null
                  and g.occurred_at_ms <= p.from_ms
                  and (p.error is null or g.error_identity = p.error))

-- name: event_non_occurrence
-- Those without a matching log in their window.
select p.pair
  from unnest($1::int[], $2::int[], $3::int[], $4::bigint[]) as p (pair, machine, error, from_ms)
 where not exists (select from vending.log g
                    where g.machine = p.machine
                      and g.occurred_at_ms > p.from_ms and g.occurred_at_ms <= $5::bigint
                      and (p.error is null or g.error_identity = p.error)
                      and g.state is distinct from 'clear')

-- name: transactions
-- Those with at least so many sales, or payments by a method, in their window.
select p.pair
  from unnest($1::int[], $2::int[], $3::text[], $4::int[], $5::bigint[])
       as p (pair, machine, method, occurs, from_ms)
 where case when p.method is null then
         (select count(*) from (
            select from vending.revenuetransaction r
             where r.machine = p.machine
               and r.occurred_at_ms > p.from_ms and r.occurred_at_ms <= $6::bigint
             limit p.occurs) as found)
       else
         (select count(*) from (
            select from vending.paymenttransaction y
             where y.machine = p.machine and y.method = p.method
               and y.occurred_at_ms > p.from_ms and y.occurred_at_ms <= $6::bigint
             limit p.occurs) as found)
       end >= p.occurs

-- name: hold_observers
-- Observers first, in one order, as whoever changes their rules holds them.
select from vending.alertobserver where id = any($1::int[]) order by id for no key update

-- name: fire
-- Begin to fire where nothing has changed since the look.
update vending.alertobserver_machine w
   set fired_at_ms = $4, edges = w.edges + 1
  from unnest($1::int[], $2::int[], $3::int[]) as p (alertobserver, machine, edges)
 where w.alertobserver = p.alertobserver and w.machine = p.machine and w.edges = p.edges
returning w.alertobserver, w.machine

-- name: rest
-- Cease to fire where nothing has changed since the look.
update vending.alertobserver_machine w
   set fired_at_ms = null, edges = w.edges + 1
  from unnest($1::int[], $2::int[], $3::int[]) as p (alertobserver, machine, edges)
 where w.alertobserver = p.alertobserver and w.machine = p.machine and w.edges = p.edges

-- name: note_sent
-- When observers fired last.
update vending.alertobserver set sent_at_ms = $2 where id = any($1::int[])

-- name: letters
-- What is to be told of each pair to each active recipient, with the words of their language.
select r.email, g.language, o.name as observer, o.type || '_' || o.observer as kind, o.timer,
       o.timer_type, coalesce(o.occurs, 1) as occurs, m.name as machine, m.hostname,
       l.name as location, l.time_zone,
       coalesce(vending.word(o.owner, g.id, e.error), e.error) as error,
       vending.word(o.owner, g.id, $3) as subject, vending.word(o.owner, g.id, $4) as text
  from unnest($1::int[], $2::int[]) as p (alertobserver, machine)
  join vending.alertobserver o on o.id = p.alertobserver
  join vending.alertrecipient r on r.alert_group = o.alert_group and r.active
  join vending.language g on g.id = r.language
  join vending.machine m on m.id = p.machine
  join vending.location l on l.id = m.location
  left join vending.erroridentity e on e.id = o.error
 order by p.alertobserver, p.machine, r.id

-- name: post
-- Mails into the outbox, in this transaction.
insert into farebox.outbox (kind, payload, next_at_ms, created_at_ms)
select 'mail', letter::jsonb, $2, $2 from unnest($1::text[]) as letter
