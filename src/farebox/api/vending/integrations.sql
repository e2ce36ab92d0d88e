-- Parts of statements about integrations.

-- name: visible
-- Integrations of the caller's groups.
(select i.id from vending.integration i where i.owner = any({groups}::int[]))

-- name: failed_sales
-- Sales with a failed job in a visible integration, of those named if any are.
(select r.*
   from (select distinct j.revenuetransaction, j.occurred_at_ms
           from vending.integration i
           join vending.integrationjob j on j.integration = i.id and j.state = 'failed'
          where i.owner = any({groups}::int[])
            and ({integrations}::int[] is null or i.id = any({integrations}::int[]))) as f
   join vending.revenuetransaction r
     on r.id = f.revenuetransaction and r.occurred_at_ms = f.occurred_at_ms)
