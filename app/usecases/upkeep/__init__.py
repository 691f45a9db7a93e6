"""Housekeeping, measurements and the clock of development."""
