"""Slotwright: headless appointment scheduling. Each package's docstring says what it may do."""

__version__ = "0.1.0"
