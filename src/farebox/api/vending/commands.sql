-- Parts of statements about commands.

-- name: location_of_machine
-- Where the command's machine stands now.
(select m.location from vending.machine m where m.id = t.machine)
