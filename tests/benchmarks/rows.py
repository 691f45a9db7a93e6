"""A row of the table that `make bench` prints and writes: what was measured, against what, and what
it should be.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ratio` is the one that the bar speaks of; None where the row only reports."""

    what: str
    ours: str
    beside: str = ""
    """What was measured in turns with it."""
    ratio: float | None = None
    bar: float | None = None

    @property
    def verdict(self) -> str:
        if self.ratio is None or self.bar is None:
            return ""
        return "yes" if self.ratio >= self.bar else "no"


def table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = ["| what | here | compared with | ratio | at least | |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        bar = "" if row.bar is None else f"{row.bar:g}"
        lines.append(
            f"| {row.what} | {row.ours} | {row.beside} | {ratio} | {bar} | {row.verdict} |"
        )
    return "\n".join(lines)


BAR_HEIGHT, WIDTH, LABEL = 26, 760, 400


def chart(rows: list[Row]) -> str:
    """The ratios as parts of their bars, in SVG: the line is what is asked for."""
    asked = [row for row in rows if row.ratio is not None and row.bar is not None]
    most = max([2.0, *((row.ratio or 0) / (row.bar or 1) for row in asked)])
    scale = (WIDTH - LABEL - 70) / most
    height = BAR_HEIGHT * len(asked) + 30
    size = f'width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    ]
    for place, row in enumerate(asked):
        share = (row.ratio or 0) / (row.bar or 1)
        top = place * BAR_HEIGHT + 6
        colour = "#2a7" if share >= 1 else "#c63"
        parts.append(
            f'<text x="{LABEL - 8}" y="{top + 13}" '
            f'text-anchor="end">{row.what.replace("&", "and")}</text>'
        )
        parts.append(
            f'<rect x="{LABEL}" y="{top}" width="{share * scale:.0f}" height="18" fill="{colour}"/>'
        )
        parts.append(
            f'<text x="{LABEL + share * scale + 6:.0f}" y="{top + 13}">{row.ratio:.1f} of '
            f"{row.bar:g}</text>"
        )
    line = LABEL + scale
    parts.append(
        f'<line x1="{line:.0f}" y1="0" x2="{line:.0f}" y2="{height - 24}" stroke="#333" '
        'stroke-dasharray="4"/>'
    )
    parts.append(
        f'<text x="{line:.0f}" y="{height - 8}" text-anchor="middle">what is asked for</text></svg>'
    )
    return "\n".join(parts)
