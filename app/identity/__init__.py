"""Tokens: signed statements of who a caller is. Two kinds, each with keys and an audience of its
own.
"""
