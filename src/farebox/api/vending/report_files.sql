-- What reports name, for their files.

-- name: choice
-- The machines and places that a saved report names, whoever sees them.
select array(select machine from vending.report_machine where report = $1) as machines,
       array(select machinegroup from vending.report_machinegroup where report = $1)
         as machine_groups,
       array(select machinemodel from vending.report_machinemodel where report = $1)
         as machine_models,
       array(select machinetype from vending.report_machinetype where report = $1)
         as machine_types,
       array(select manufacturer from vending.report_manufacturer where report = $1)
         as manufacturers,
       array(select location from vending.report_location where report = $1) as locations,
       array(select locationgroup from vending.report_locationgroup where report = $1)
         as location_groups

-- name: exponents
-- Digits after the point, by currency.
select code, exponent from vending.currency
