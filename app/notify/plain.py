"""One line of plain text out of whatever a stranger typed: nothing in it can end a header, a line
or a message.
"""

from __future__ import annotations

import re
import unicodedata

# Bidirectional embeddings, overrides and isolates: they reorder what stands around them, so a name
# could rewrite a subject. (Unicode 16, UAX #9, table 4.) The marks LRM and RLM reorder nothing and
# stay.
_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_SPACES = re.compile(r"\s+")
# Cc: controls, CR, LF and NUL among them. Cs: lone surrogates, which no encoding can write. Zl, Zp:
# line separators.
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})


def one_line(text: str, *, limit: int = 200) -> str:
    """`text` on one line, its runs of white space single, at most `limit` characters ("…" marks a
    cut).
    """
    visible = "".join(
        " " if unicodedata.category(character) in _BREAKING else character for character in text
    )
    line = _SPACES.sub(" ", visible.translate(_REORDERING)).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def paragraphs(text: str, *, limit: int = 2000) -> str:
    """`text` with its line breaks kept (as LF, at most one blank line between) and everything else
    as `one_line`.
    """
    lines = [one_line(line, limit=limit) for line in text.splitlines()]
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"
