-- A job of an integration that sends logs names its log in a column of its own; until now it stood
-- where a sale's job names the sale.

alter table vending.integrationjob
  add column log bigint,
  alter column revenuetransaction drop not null;

update vending.integrationjob j
   set log = j.revenuetransaction, revenuetransaction = null
  from vending.integration i
 where i.id = j.integration and i.type = 'httplogs';

alter table vending.integrationjob
  add constraint integrationjob_once_a_log unique (integration, log),
  add constraint integrationjob_one_record check (num_nonnulls(revenuetransaction, log) = 1);
