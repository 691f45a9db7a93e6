"""Quoted-printable (RFC 2045, 6.7), as the parts of a mail are written."""

from __future__ import annotations

from binascii import b2a_qp
from dataclasses import dataclass
from typing import Final, Protocol

_SHORT: Final = 72
"""Characters: with the soft line break, they fit on a line."""


class Text(Protocol):
    """A text of a mail: in words by `str`, or encoded. Each is made when it is asked for."""

    def __str__(self) -> str: ...

    def encoded(self) -> bytes:
        """In quoted-printable, with a line break at its end."""


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text that is at hand in words."""

    words: str

    def __str__(self) -> str:
        return self.words

    def encoded(self) -> bytes:
        return quoted_printable(self.words)


def quoted_printable(text: str) -> bytes:
    """The lines of the text in UTF-8, each with its CRLF, also the last."""
    # It ends in a line break, from which the codec learns to write CRLF.
    return b2a_qp(b"\r\n".join([*text.encode().splitlines(), b""]))


def piece(text: str) -> bytes:
    """A part of a text. Pieces can be joined to any length, since each ends a line: by a soft line
    break, which readers remove, where it has no line break at its end.
    """
    if len(text) <= _SHORT and text.isascii() and text.isprintable() and "=" not in text:
        return text.encode() + b"=\r\n" if text else b""
    lines = quoted_printable(text)
    if text.endswith("\n"):
        return lines
    if text.endswith((" ", "\t")):
        # Encoded, as it has to be before a line break, it could make the line longer than it may
        # be. Before a soft one it may stay as it is.
        return lines[: -len(b"=20\r\n")] + text[-1].encode() + b"=\r\n"
    return lines[:-2] + b"=\r\n"
