-- Parts of statements about records that could not be stored; `t` is a dead letter.

-- name: place
-- Where its gateway stands now.
(select m.location from vending.machine m where m.id = t.gateway)

-- name: stream
-- What kind of record it was, as the route that it came by says it.
(array['transactions', 'logs', 'iotevents'])[t.stream]
