"""How sales are paid: what machines report, and what reports call it (vending-platform.md 3.10)."""

from typing import Final

METHODS: Final = ("cash", "card", "code", "virtual", "token")
TYPES: Final = (*METHODS, "free", "other")
