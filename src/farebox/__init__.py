"""Farebox: vouchers, quotas and device transactions, decided natively and durable exactly once."""

__version__ = "0.1.0"
