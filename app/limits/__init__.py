"""Limits: how much each caller has asked for lately, over all processes."""
