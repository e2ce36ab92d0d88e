-- Run once by a single-user server, before the data folder gets its final name.

-- name: create_database
-- The only database of an embedded server.
create database farebox;
