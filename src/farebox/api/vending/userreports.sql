-- Reports of users, where the resource engine needs more than a table.

-- name: copy
-- Copies a report and its charts for a user; gives the copy's id.
with made as (
  insert into vending.userreport (users, name, created_at_ms, updated_at_ms)
  values ($2, $3, $4, $4) returning id
), charts as (
  insert into vending.chart
    (report, name, type, view, criteria, position, created_at_ms, updated_at_ms)
  select made.id, c.name, c.type, c.view, c.criteria, c.position, $4, $4
    from vending.chart c, made where c.report = $1
)
select made.id from made
