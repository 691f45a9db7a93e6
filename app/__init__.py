"""Slotwright: appointment scheduling without a head. What each floor may do is said on its door."""

__version__ = "0.1.0"
