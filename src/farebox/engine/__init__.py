"""Use-cases without HTTP: core, domain, storage, locks and outbound joined into lasting decisions."""
