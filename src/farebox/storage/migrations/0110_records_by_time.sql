-- The newest records first, as people ask for them: without an index, a caller who sees many places
-- had all of their records sorted for one page (vending-commerce.md 1.5, 3.2-3.11).

create index revenuetransaction_by_time on vending.revenuetransaction (occurred_at_ms, id);
create index paymenttransaction_by_time on vending.paymenttransaction (occurred_at_ms, id);
create index log_by_time on vending.log (occurred_at_ms, id);
create index iotevent_by_time on vending.iotevent (occurred_at_ms, id);
