"""Admission under load: computations, queries, rushes of bookings, and each caller's rate."""
