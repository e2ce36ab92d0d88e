-- Parts of the declarations of the hosted PBX's records; `t` is the row, `{name}` a bound value.

-- name: mine
-- The tenants of the caller.
select m.tenant from pbx.user_tenant m where m.person = {caller}::bigint

-- name: people
-- The users of a tenant.
select m.person from pbx.user_tenant m where m.tenant = {tenant}::bigint

-- name: of_tenants
-- Whether a row is of a tenant with one of these codes, in small letters.
t.tenant in (select n.id from pbx.tenant n where lower(n.code) = any ({codes}::text[]))

-- name: is_named
-- Whether something outside may have kept the tenant's code.
exists (select from pbx.extension e where e.tenant = t.id)
or exists (select from pbx.cdr c where c.tenant = t.id)

-- name: context
-- The code of the row's tenant.
select n.code from pbx.tenant n where n.id = t.tenant

-- name: type_name
-- The name of a custom destination's type.
select y.name from pbx.custom_type y where y.id = t.type

-- name: type_description
-- What the type is told to be.
select y.description from pbx.custom_type y where y.id = t.type
