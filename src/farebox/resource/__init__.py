"""A table described as data: definition, criteria, SQL, store. It knows tables, not URLs."""
