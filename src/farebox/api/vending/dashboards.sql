-- Dashboards, where the resource engine needs more than a table.

-- name: user_of_widget
-- Whose dashboard a widget is on, which decides who sees it.
(select d.users from vending.dashboard d where d.id = t.dashboard)

-- name: group_of_user
-- The group of a dashboard's user.
(select u.owner from vending.users u where u.id = t.users)

-- name: user_of
-- Whose dashboard this is.
select users from vending.dashboard where id = $1
