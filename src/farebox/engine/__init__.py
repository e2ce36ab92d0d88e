"""Use-cases without HTTP: core, domain, storage, locks, outbound joined into lasting decisions."""
