"""What the person who runs the program is told when it can't go on."""

from __future__ import annotations


class OperatorError(Exception):
    """Its message is one sentence that says what to do; it is printed without a traceback."""
