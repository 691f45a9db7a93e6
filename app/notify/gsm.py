"""The alphabet of text messages: one character outside it more than halves what fits into a
segment.

Source: 3GPP TS 23.038, the default alphabet and its extension table, without national shift tables.
"""

from __future__ import annotations

import unicodedata

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # each is an escape and a letter: two septets

# a segment of several gives 7 septets to the header that numbers it
_SEPTETS_ALONE, _SEPTETS_EACH = 160, 153
_UNITS_ALONE, _UNITS_EACH = 70, 67  # UTF-16 code units

# Typography that Babel's formats, our own phrases and people's names use, in the words of 1985:
# spaces, marks without width, quotation marks, hyphens and dashes, and letters that no
# decomposition takes apart.
_TYPEWRITER = str.maketrans({
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u00ad": None, "\u200e": None, "\u200f": None,
    "\u2018": "'", "\u2019": "'", "\u201a": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "«": '"', "»": '"',
    "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-",
    "\u2212": "-", "…": "...", "·": "-", "•": "-",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "\u0131": "i",
    "œ": "oe", "Œ": "OE",
})  # fmt: skip


def is_gsm(text: str) -> bool:
    return all(character in _BASIC or character in _EXTENSION for character in text)


def fold(text: str) -> str:
    """`text` in the GSM alphabet, where dropping accents and typography gets it there; else with
    its accents kept.

    A name in Cyrillic or Devanagari makes the message Unicode whatever we do, and then nothing is
    gained by misspelling the rest.
    """
    typed = text.translate(_TYPEWRITER)
    plain = "".join(
        character if is_gsm(character) else _bare(character)
        for character in unicodedata.normalize("NFC", typed)
    )
    return plain if is_gsm(plain) else typed


def _bare(character: str) -> str:
    """The letter without its accents."""
    return "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )


def segments(text: str) -> int:
    """How many segments `text` is sent, and billed, as. An escape or a surrogate pair is never torn
    in two.
    """
    if is_gsm(text):
        weights = [2 if character in _EXTENSION else 1 for character in text]
        alone, each = _SEPTETS_ALONE, _SEPTETS_EACH
    else:
        weights = [2 if character > "\uffff" else 1 for character in text]
        alone, each = _UNITS_ALONE, _UNITS_EACH
    if sum(weights) <= alone:
        return 1
    count, used = 1, 0
    for weight in weights:
        if used + weight > each:
            count, used = count + 1, 0
        used += weight
    return count
