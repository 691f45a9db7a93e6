"""The named statements of sql/queries/: parsed once, bound at import, run by name. No SQL is built
from strings.

A file holds any number of statements, each under its header:

    -- name: provider_by_ids :many
    -- The providers with these ids, in no particular order.
    -- params: organization_id uuid, ids uuid[]
    SELECT …;

`:many` gives rows, `:one` exactly one row, `:maybe` one or none, `:exec` the number of rows
touched. Parameters are in the order $1, $2 …; `-- params: none` where there are none. `-- scope:
all organizations` marks a sweep: every other statement is bound to one organization.

Text that several statements share is a fragment, written once, in the file of its aggregate:

    -- fragment: provider_columns
    -- The columns of a provider, as `provider_from` reads them.
    id, subject, name;

`{{provider_columns}}` in a statement of any file is its text. A fragment includes no other.

Writes that nobody waits for one by one may go to the server as one statement (`later`, `together`).
One statement, a call of a function, may also be written to go to the server in their place:

    -- in place of: insert_customer, insert_event
    -- params: organization_id uuid, insert_customer.name text

It names the statements that it stands for, and takes those of their parameters that it names, each
null where that statement does not wait (`instead`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from sys import getsizeof
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args

import asyncpg

from app.weighted_cache import remembered

Cardinality: TypeAlias = Literal["many", "one", "maybe", "exec"]
Record: TypeAlias = asyncpg.Record

ALL_ORGANIZATIONS: Final = "all organizations"

_HEADER: Final = re.compile(r"^-- (?:name|fragment): *(.*)$", re.MULTILINE)
_FRAGMENT: Final = re.compile(r"-- fragment: *([a-z][a-z0-9_]*)")
_INCLUDED: Final = re.compile(r"\{\{ *([^{}]*?) *\}\}")
_NAME: Final = re.compile(r"([a-z][a-z0-9_]*) :([a-z]+)")
_WITH: Final = "WITH "
_PLACE: Final = re.compile(r"\$(\d+)")
_PARAMETER: Final = re.compile(
    r"((?:[a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*) ([a-z][a-z0-9_ ]*(?:\[\])?)"
)


class QueryFileError(Exception):
    """A file of sql/queries/ that does not follow the format."""


class UnexpectedRowCountError(Exception):
    """A statement that promises one row (:one, :maybe) gave another number of them."""


class UnexpectedWriteError(Exception):
    """A statement was to be sent in the place of one that it does not stand for."""


class Writer(Protocol):
    """What a statement can wait on: a transaction."""

    def later(self, sql: str, arguments: Sequence[object]) -> None: ...

    def once(self, sql: str, arguments: Sequence[object]) -> None: ...

    def withdrawn(self) -> list[tuple[str, Sequence[object]]]: ...


class Reader(Protocol):
    """What a statement that gives rows runs on."""

    async def fetch(self, sql: str, arguments: Sequence[object]) -> list[Record]: ...


class Executor(Reader, Protocol):
    """What a statement runs on: the pool (a plain read, a connection of its own) or a
    transaction.
    """

    async def execute(self, sql: str, arguments: Sequence[object]) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One named statement; call the method that is named like its cardinality."""

    name: str
    cardinality: Cardinality
    sentence: str
    params: tuple[Parameter, ...]
    all_organizations: bool
    in_place_of: tuple[str, ...]
    """The statements that this one may be sent instead of."""
    sql: str

    async def many(self, on: Reader, *arguments: object) -> list[Record]:
        self._expect("many")
        return await on.fetch(self.sql, arguments)

    async def one(self, on: Reader, *arguments: object) -> Record:
        self._expect("one")
        rows = await on.fetch(self.sql, arguments)
        if len(rows) != 1:
            raise UnexpectedRowCountError(self.name, len(rows))
        return rows[0]

    async def maybe(self, on: Reader, *arguments: object) -> Record | None:
        self._expect("maybe")
        rows = await on.fetch(self.sql, arguments)
        if len(rows) > 1:
            raise UnexpectedRowCountError(self.name, len(rows))
        return rows[0] if rows else None

    async def exec(self, on: Executor, *arguments: object) -> int:
        """The number of rows that were inserted, updated, deleted or selected."""
        self._expect("exec")
        return await on.execute(self.sql, arguments)

    def later(self, on: Writer, *arguments: object) -> None:
        """A write that waits for the transaction's next statement, or its end: for one whose count
        nobody needs. It has no WITH of its own.
        """
        self._expect("exec")
        on.later(self.sql, arguments)

    def once(self, on: Writer, *arguments: object) -> None:
        """As `later`, for a write that several callers in one transaction may need: it is done
        once.
        """
        self._expect("exec")
        on.once(self.sql, arguments)

    def instead(self, on: Writer, *own: object) -> None:
        """As `later`, in the place of all that waits: with these parameters of its own, and those
        of the others that it names. Each of them waits once, and it stands for all of them.
        """
        self._expect("exec")
        withdrawn = on.withdrawn()
        waiting = dict(withdrawn)
        known, places = _taken_from(self.name)
        if len(waiting) < len(withdrawn) or not waiting.keys() <= known:
            raise UnexpectedWriteError(self.name)
        rest = iter(own)
        on.later(
            self.sql,
            [
                next(rest) if sql is None else waiting[sql][at] if sql in waiting else None
                for sql, at in places
            ],
        )

    def _expect(self, cardinality: Cardinality) -> None:
        if self.cardinality != cardinality:
            raise TypeError(f"{self.name} is :{self.cardinality}, but was called as :{cardinality}")


@cache
def _taken_from(name: str) -> tuple[frozenset[str], list[tuple[str | None, int]]]:
    """The texts of the statements that this one stands for; and where each of its parameters is
    taken from: from one of those, at this place, or its own.
    """
    catalogued = catalogue()
    places: list[tuple[str | None, int]] = []
    for parameter in catalogued[name].params:
        of, _, taken = parameter.name.rpartition(".")
        if of:
            names = [each.name for each in catalogued[of].params]
            places.append((catalogued[of].sql, names.index(taken)))
        else:
            places.append((None, 0))
    return frozenset(catalogued[each].sql for each in catalogued[name].in_place_of), places


@remembered(
    "combined statements",
    most_bytes=4 * 1024 * 1024,
    weigh=lambda arguments, combined: getsizeof(arguments[0]) + getsizeof(combined),
)
def together(statements: tuple[str, ...]) -> str:
    """These statements as one, which gives what the last of them gives; their parameters follow one
    another. The last one may have a WITH of its own.

    They see what was there before, and nothing of what the others write. Foreign keys between them
    hold, because they are checked when all is written.
    """
    *first, last = _numbered_on(statements)
    if not first:
        return last
    writes = ", ".join(f"write_{at} AS ({text})" for at, text in enumerate(first))
    if last.startswith(_WITH):
        return f"{_WITH}{writes}, {last.removeprefix(_WITH)}"
    return f"{_WITH}{writes}\n{last}"


def placed(text: str, place: Callable[[int], str]) -> str:
    """A statement with other places for its parameters, which are given by their numbers."""
    return _PLACE.sub(lambda found: place(int(found[1])), text)


def _numbered_on(statements: tuple[str, ...]) -> Iterator[str]:
    before = 0
    for text in statements:
        yield placed(text, lambda number, before=before: f"${number + before}")  # type: ignore[misc]
        before += max((int(number) for number in _PLACE.findall(text)), default=0)


def sql_folder() -> Path:
    """sql/ next to the package, as in the repository, or inside it, as in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


def parse(text: str, *, source: str, fragments: Mapping[str, str] | None = None) -> list[Query]:
    """The statements of one file, in order; `source` names it in errors, `fragments` are those of
    other files.
    """
    known = {**(fragments or {}), **parse_fragments(text, source=source)}
    return [
        _parse_one(block, source, known)
        for block in _blocks(text)
        if not block.startswith("-- fragment:")
    ]


def parse_fragments(text: str, *, source: str) -> dict[str, str]:
    """The fragments of one file, by name."""
    fragments: dict[str, str] = {}
    for block in _blocks(text):
        if not block.startswith("-- fragment:"):
            continue
        title, *lines = block.strip().splitlines()
        named = _FRAGMENT.fullmatch(title)
        body = "\n".join(line for line in lines if not line.startswith("--")).strip()
        if named is None or body == ";" or not body.endswith(";") or _INCLUDED.search(body):
            raise QueryFileError(
                f"{source}: “{title}” needs a name and a text that ends with “;” and includes no "
                "other fragment"
            )
        if named[1] in fragments:
            raise QueryFileError(f"{source}: the fragment {named[1]} is defined twice")
        fragments[named[1]] = body.removesuffix(";")
    return fragments


def _blocks(text: str) -> list[str]:
    starts = [header.start() for header in _HEADER.finditer(text)]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _with_fragments(sql: str, fragments: Mapping[str, str], source: str) -> str:
    def included(match: re.Match[str]) -> str:
        if match[1] not in fragments:
            raise QueryFileError(f"{source}: there is no fragment “{match[1]}”")
        return fragments[match[1]]

    return _INCLUDED.sub(included, sql)


def _parse_one(text: str, source: str, fragments: Mapping[str, str]) -> Query:
    lines = text.strip().splitlines()
    head: list[str] = []
    while lines and lines[0].startswith("--"):
        head.append(lines.pop(0).removeprefix("--").strip())
    titled = _NAME.fullmatch(head[0].removeprefix("name:").strip())
    if titled is None or titled[2] not in get_args(Cardinality):
        raise QueryFileError(
            f"{source}: “{head[0]}” is not “name: the_name :many|:one|:maybe|:exec”"
        )
    sentence, params, scope, place = [], "", "", ""
    for line in head[1:]:
        if line.startswith("params:"):
            params = line.removeprefix("params:").strip()
        elif line.startswith("scope:"):
            scope = line.removeprefix("scope:").strip()
        elif line.startswith("in place of:"):
            place = line.removeprefix("in place of:").strip()
        else:
            sentence.append(line)
    sql = "\n".join(lines).strip()
    if not sentence or not params or not sql.endswith(";") or scope not in {"", ALL_ORGANIZATIONS}:
        raise QueryFileError(
            f"{source}: {titled[1]} lacks its sentence, its params or its final “;”, or has an odd "
            "scope"
        )
    return Query(
        name=titled[1],
        cardinality=cast("Cardinality", titled[2]),
        sentence=" ".join(sentence),
        params=()
        if params == "none"
        else tuple(_parse_parameter(part, source) for part in params.split(",")),
        all_organizations=scope == ALL_ORGANIZATIONS,
        in_place_of=tuple(re.findall(r"\w+", place)),
        sql=_with_fragments(sql.removesuffix(";"), fragments, source),
    )


def _parse_parameter(text: str, source: str) -> Parameter:
    match = _PARAMETER.fullmatch(text.strip())
    if match is None:
        raise QueryFileError(f"{source}: “{text.strip()}” is not “name type”")
    return Parameter(name=match[1], type=match[2])


def load(folder: Path) -> dict[str, Query]:
    """Every statement under `folder`, by name; a name that is defined twice is an error."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    fragments: dict[str, str] = {}
    for name, text in texts.items():
        for fragment, body in parse_fragments(text, source=name).items():
            if fragment in fragments:
                raise QueryFileError(f"{name}: the fragment {fragment} is defined twice")
            fragments[fragment] = body
    queries: dict[str, Query] = {}
    for name, text in texts.items():
        for parsed in parse(text, source=name, fragments=fragments):
            if parsed.name in queries:
                raise QueryFileError(f"{name}: {parsed.name} is defined twice")
            queries[parsed.name] = parsed
    return queries


@cache
def catalogue() -> dict[str, Query]:
    return load(sql_folder() / "queries")


_bound: Final[set[str]] = set()


def query(name: str) -> Query:
    """The statement of this name; meant for module level, so that a missing one fails at import."""
    found = catalogue().get(name)
    if found is None:
        raise QueryFileError(f"sql/queries/ has no “{name}”")
    _bound.add(name)
    return found


def bound() -> frozenset[str]:
    """The names that the modules imported so far have asked for; a contract test compares them with
    the files.
    """
    return frozenset(_bound)
