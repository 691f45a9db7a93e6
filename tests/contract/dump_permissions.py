"""Prints docs/permissions.md: who may see and do what, from the rules that the tests check the server by.

python -m tests.contract.dump_permissions > docs/permissions.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tests.permission_rules import FIELDS, MUTATIONS, QUERIES, of

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS: Final = {
    "anybody": {"anonymous", "stranger"},
    "the customer": {"robin"},
    "manage link": {"link"},
    "the provider": {"ada"},
    "other providers": {"ben"},
    "reception": {"reception"},
    "administrator": {"admin"},
}
"""The columns of the tables, and the callers of the tests that each is about."""

_INTRODUCTION: Final = """\
# Who may see and do what

Made from the rules that the tests check every role by, against every field and every mutation of the schema: don't edit it, run
`make schema`.

“The customer” and “the provider” are those of the appointment, or of the record itself; “manage link” is a caller with the
appointment's manage token. A field that is not for a caller is null or an empty list, a mutation answers with `NotAllowedError` or
`NotFoundError`, and what belongs to another organization does not exist. Lists hold what the caller may see.

The customer and the manage link get an appointment's `rescheduleAvailability` as long as they may move it, and its manage link
sees how it was cancelled, too: the tests look at one that can't be moved any more, and at the link of another one.
"""


def _table(head: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [
        f"| {head} | {' | '.join(COLUMNS)} |",
        f"|---|{'---|' * len(COLUMNS)}",
    ]
    for name, audience in rows:
        callers = of(audience)
        marks = ("✓" if column <= callers else "" for column in COLUMNS.values())
        lines.append(f"| {name} | {' | '.join(marks)} |")
    return lines


def _names(listed: str) -> str:
    """The fields of one object, without those inside of its values."""
    return ", ".join(f"`{name}`" for name in sorted(listed.split()) if "." not in name)


def permissions() -> str:
    """The page."""
    lines = [_INTRODUCTION, "## Mutations", ""]
    lines += _table("", ((f"`{name}`", audience) for name, audience in sorted(MUTATIONS.items())))
    lines += ["", "## Root fields", ""]
    lines += _table("", ((f"`{name}`", rule[1]) for name, rule in sorted(QUERIES.items())))
    lines += ["", "## Fields of objects"]
    for name, rules in sorted(FIELDS.items()):
        shown = [
            (_names(listed), audience)
            for audience, listed in rules.items()
            if of(audience) and _names(listed)
        ]
        lines += ["", f"### {name}", "", *_table("", shown)]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(permissions())
