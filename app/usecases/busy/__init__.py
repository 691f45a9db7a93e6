"""Busy times: what sources from elsewhere say about when a provider or a resource is busy."""
