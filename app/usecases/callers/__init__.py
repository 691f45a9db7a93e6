"""Identify callers, and revoke their tokens."""
