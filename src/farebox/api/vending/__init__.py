"""The vending API: what devices and operators call under `/vending`."""
