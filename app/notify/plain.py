"""Plain text out of what strangers typed: nothing in it ends a header, a line or a message, and
nothing in it is taken for a link.
"""

from __future__ import annotations

import re
import unicodedata

# Bidirectional embeddings, overrides and isolates: they reorder the text around them, so a name
# could rewrite a subject. (Unicode 16, UAX #9, table 4.) The marks LRM and RLM reorder nothing and
# stay.
_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_SPACES = re.compile(r"\s+")
# Cc: controls, CR, LF and NUL among them. Cs: lone surrogates, which no encoding can write. Zl, Zp:
# line separators.
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})


# What mail programs and phones make a link of: a scheme, `www.`, a domain, an address. A dot counts
# in every form that a browser reads as one, also before letters that can't be seen.
_SCHEME = re.compile(
    r"[a-z][a-z0-9+.\-]*:[/\\]+|\b(?:mailto|tel|sms|javascript|data):", re.IGNORECASE
)
_WWW = re.compile(r"\bwww\d*[.\u2024\u3002\uff0e\uff61]+", re.IGNORECASE)
_DOT = re.compile(r"([.\u2024\u3002\uff0e\uff61]+)(?=[^\W\d_]|[\u200b-\u200f\u2060\ufeff])")
_OF_LINKS = frozenset(":.\u2024\u3002\uff0e\uff61@\uff20")
_AT = re.compile(r"(?<=\S)[@\uff20](?=\S)")


def without_links(text: str) -> str:
    """`text` without what makes a link: schemes and `www` go, a domain falls apart into words.

    "https://evil.example/x" becomes "evil. example/x", and "J.R. Smith" becomes "J. R. Smith".
    """
    if _OF_LINKS.isdisjoint(text):
        return text
    while (shorter := _WWW.sub("", _SCHEME.sub("", text))) != text:
        text = shorter  # what is left of "htthttp://p://" may be a scheme again
    return _AT.sub(" ", _DOT.sub(r"\1 ", text))


def one_line(text: str, *, limit: int = 200) -> str:
    """`text` on one line, its runs of white space single, at most `limit` characters ("…" marks a
    cut).
    """
    if text.isprintable():  # as names are: nothing in it breaks a line or reorders the text
        visible = text
    else:
        visible = "".join(
            " " if unicodedata.category(character) in _BREAKING else character for character in text
        ).translate(_REORDERING)
    line = _SPACES.sub(" ", visible).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def paragraphs(text: str, *, limit: int = 2000) -> str:
    """`text` with its line breaks kept (as LF, at most one blank line between) and everything else
    as `one_line`.
    """
    lines = [one_line(line, limit=limit) for line in text.splitlines()]
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"
