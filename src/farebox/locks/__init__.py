"""Leases: short mutual exclusion between processes. They save wasted work and never decide anything."""
