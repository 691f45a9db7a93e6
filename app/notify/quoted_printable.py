"""Quoted-printable (RFC 2045, 6.7), as the parts of a mail are written."""

from __future__ import annotations

from binascii import b2a_qp


def quoted_printable(text: str) -> bytes:
    """The lines of the text in UTF-8, each with its CRLF, also the last. Lines are independent: the
    text may be encoded piece by piece.
    """
    # It ends in a line break, from which the codec learns to write CRLF.
    return b2a_qp(b"\r\n".join([*text.encode().splitlines(), b""]))
