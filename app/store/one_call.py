"""Several statements of one organization as one call of `write_at_once`, a function of the database
that runs them one after the other: where the database is distributed, on the organization's node.

The function takes texts and arguments. The texts are those of sql/queries/ as templates of
PostgreSQL's format(): %1$L is the organization, which is the first argument of each statement, and
the others follow as text. format() quotes them as literals, which are read as the type that their
statement declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from sys import getsizeof
from uuid import UUID

from app.store.sql import catalogue, placed
from app.weighted_cache import remembered


@remembered(
    "statements of one call",
    most_bytes=4 * 1024 * 1024,
    weigh=lambda arguments, texts: getsizeof(arguments[0]) + sum(map(getsizeof, texts)),
)
def in_one_call(statements: tuple[str, ...]) -> list[str]:
    """The texts of these statements. Their arguments follow one another, see `flattened`."""
    return list(_placed_on(statements))


@cache
def _types() -> dict[str, list[str]]:
    """Of the parameters of each statement, by its text."""
    return {each.sql: [param.type for param in each.params] for each in catalogue().values()}


def _placed_on(statements: tuple[str, ...]) -> Iterator[str]:
    before = 0
    for text in statements:
        types = _types()[text]

        def place(number: int, before: int = before, types: Sequence[str] = types) -> str:
            at = 1 if number == 1 else before + number
            return f"%{at}$L::{types[number - 1]}"

        yield placed(text.replace("%", "%%"), place)
        before += len(types) - 1


def flattened(arguments: Sequence[Sequence[object]]) -> list[str | None]:
    """The arguments of these statements, but for the organization, as text."""
    return [as_text(value) for _, *others in arguments for value in others]


def as_text(value: object) -> str | None:
    """As PostgreSQL reads it, whatever type it is read as."""
    match value:
        case None | str():
            return None if value is None else str(value)
        case bool():
            return "true" if value else "false"
        case int() | UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return f"\\x{value.hex()}"
        case list() | tuple():
            return f"{{{','.join(_element(each) for each in value)}}}"
        case _:
            raise TypeError(type(value))


def _element(value: object) -> str:
    text = as_text(value)
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
