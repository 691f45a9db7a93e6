"""Admission under load: computations, rushes of bookings, and each caller's rate."""
