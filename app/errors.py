"""Errors for the person who runs the program, when it can't continue."""

from __future__ import annotations


class OperatorError(Exception):
    """Its message is one sentence that says what to do; it is printed without a traceback."""
