"""A table described as data: what of it may be seen, asked for and written, and by whom.

Knows tables, not URLs: how a resource is exposed is each API family's own blueprint.
"""
