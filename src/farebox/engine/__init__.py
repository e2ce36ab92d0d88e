"""Use-cases without HTTP: they join core, domain, storage, locks and outbound into decisions that last."""
