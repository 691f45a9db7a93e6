"""Floor 0, pure: no await, no clock, no environment, no logging, no driver. The scheduling law
lives here, once.
"""
