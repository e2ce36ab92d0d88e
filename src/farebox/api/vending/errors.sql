-- What error codes, identities and profiles must know of each other (vending-platform.md 3.10).

-- name: pair
-- The error that identity $1 names, and whether it is for the machine type of profile $2. The two
-- are locked against another change of their types.
select i.error, i.machine_type = p.machine_type as agree
from vending.erroridentity i, vending.errorprofile p
where i.id = $1 and p.id = $2
for share of i, p

-- name: profile_has_codes
-- Whether a profile has codes.
select exists (select from vending.errorcode where error_profile = $1)

-- name: identity_has_codes
-- Whether codes stand for an identity.
select exists (select from vending.errorcode where error_identity = $1)

-- name: of_profile
-- A code or model `t` that belongs to a profile.
t.id = {key}::int and t.error_profile = {parent}::int
