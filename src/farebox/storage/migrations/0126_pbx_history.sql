-- Where the history of calls is looked up (pbx.md 3.10): a tenant's calls with what they are
-- filtered by, so that only calls of the answer are read from their table; a tenant's calls to a
-- number; and everybody's calls, for those who see many tenants.

create index cdr_of_tenant on pbx.cdr (tenant, start_ms, id, disposition, cc_cost);
create index cdr_of_number on pbx.cdr (tenant, firstdst, start_ms, id);
create index cdr_by_time on pbx.cdr (start_ms, id);
drop index pbx.cdr_by_tenant;
