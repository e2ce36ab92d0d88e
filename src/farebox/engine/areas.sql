-- Areas, streets and buildings (isp.md E15 to E20).

-- name: hold_names
-- One at a time gives names in an account.
select pg_advisory_xact_lock(hashtext('isp.area'), hashtext($1))

-- name: find_area
-- Whether an account has an area.
select true from isp.area where id = $1 and account = $2

-- name: find_street
-- Whether an account has a street.
select true from isp.street where id = $1 and account = $2

-- name: find_block
-- Whether an account has a building.
select true from isp.block where id = $1 and account = $2

-- name: list_areas
-- Areas of an account after an id.
select id, account, name from isp.area where account = $1 and id > $2 order by id limit $3

-- name: list_streets
-- Streets of an account after an id, of one area if it is given.
select id, account, name, area as above from isp.street
 where account = $1 and id > $2 and ($4::bigint is null or area = $4) order by id limit $3

-- name: list_blocks
-- Buildings of an account after an id, of one street if it is given.
select id, account, name, street as above from isp.block
 where account = $1 and id > $2 and ($4::bigint is null or street = $4) order by id limit $3

-- name: is_area_taken
-- Whether another area of the account is called so.
select exists (select from isp.area
                where account = $1 and lower(name) = lower($2) and id is distinct from $3::bigint)

-- name: is_street_taken
-- Whether another street of the area is called so.
select exists (select from isp.street
                where area = $1 and lower(name) = lower($2) and id is distinct from $3::bigint)

-- name: is_block_taken
-- Whether another building of the street is called so.
select exists (select from isp.block
                where street = $1 and lower(name) = lower($2) and id is distinct from $3::bigint)

-- name: add_area
-- A new area; nothing is above it.
insert into isp.area (account, name) select $1, $2 where $3::bigint is null returning id

-- name: add_street
-- A new street.
insert into isp.street (account, name, area) values ($1, $2, $3) returning id

-- name: add_block
-- A new building.
insert into isp.block (account, name, street) values ($1, $2, $3) returning id

-- name: edit_area
-- Another name.
update isp.area set name = $2 where id = $1 and $3::bigint is null

-- name: edit_street
-- Another name, another area.
update isp.street set name = $2, area = $3 where id = $1

-- name: edit_block
-- Another name, another street.
update isp.block set name = $2, street = $3 where id = $1
