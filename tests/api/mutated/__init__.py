"""The families of `tests/api/mutate.py`: a module each, with its `FAMILY`."""
