-- What charts are of, where a table does not say it.

-- name: zone_of_machine
-- The zone of the place where a machine stands.
(select l.time_zone from vending.location l where l.id = t.location)
