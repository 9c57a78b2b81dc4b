"""Stores the grid events of a township's gateways in PostgreSQL, answers receipts, and asks for what is missing."""

__version__ = "1.0.0"
