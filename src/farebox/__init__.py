"""Farebox: vouchers, quotas and device transactions, decided natively, made durable exactly once."""

__version__ = "0.1.0"
