-- Charts, where the resource engine needs more than a table.

-- name: user_of_chart
-- Whose report a chart is on, which decides who sees it.
(select r.users from vending.userreport r where r.id = t.report)

-- name: room
-- Whose report this is, how many charts it has and the position after the last one; locks it.
select r.users, (select count(*) from vending.chart c where c.report = r.id),
       (select least(coalesce(max(c.position) + 1::bigint, 0), 2147483647)
          from vending.chart c where c.report = r.id)
  from vending.userreport r where r.id = $1 for no key update

-- name: template
-- What a chart of this type asks unless it is told.
select criteria from vending.charttemplate where type = $1
