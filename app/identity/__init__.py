"""Tokens: who a caller says they are, signed. Two kinds, each with keys and an audience
of its own.
"""
