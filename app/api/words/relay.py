"""Relay's conventions: opaque global ids, opaque cursors, and connections that page by keyset in
both directions.

Pages never shift: a cursor holds the sort key of its row, not a number of rows.
"""

# Strawberry reads annotations at run time, so they are not postponed here.
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import getsizeof
from typing import Annotated, Any, Final, Generic, Self, TypeVar
from uuid import UUID

import orjson
import strawberry

from app.api.words.errors import BadUserInput
from app.core.keyset import Keyset
from app.weighted_cache import remembered

DEFAULT_PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100

# Incremented when the content of cursors changes its meaning: cursors of another version are
# refused instead of misread.
_CURSOR_VERSION: Final = 1
# No cursor or global id of ours is longer; a longer text is refused without decoding it.
_LONGEST_TOKEN: Final = 1024
_UUID_BYTES: Final = 16
_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z]{0,63}")

Row = TypeVar("Row")
NodeType = TypeVar("NodeType")

SortValue = str | int | UUID | datetime
SortKey = tuple[SortValue, ...]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes | None:
    """The bytes, or None where the text is not exactly what `_encode` makes of them."""
    if len(text) > _LONGEST_TOKEN or not text.isascii():
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return data if _encode(data) == text else None


# ---------------------------------------------------------------- global ids

_READ_BYTES: Final = 250
"""A type's name and a UUID."""


def global_id(type_name: str, key: UUID) -> strawberry.ID:
    """The opaque id of an object: its GraphQL type and its key."""
    return strawberry.ID(_encode(type_name.encode("ascii") + b":" + key.bytes))


@remembered(
    "global ids",
    most_bytes=4 * 1024 * 1024,
    weigh=lambda arguments, _found: getsizeof(arguments[0]) + _READ_BYTES,
)
def read_global_id(text: str) -> tuple[str, UUID] | None:
    """The type and the key; None for a text that `global_id` did not make. Like an unknown id, it
    finds nothing.
    """
    data = _decode(text)
    if data is None or len(data) <= _UUID_BYTES:
        return None
    head, key = data[:-_UUID_BYTES], data[-_UUID_BYTES:]
    if head[-1:] != b":" or not head.isascii():
        return None
    type_name = head[:-1].decode("ascii")
    return (type_name, UUID(bytes=key)) if _TYPE_NAME.fullmatch(type_name) else None


def global_id_of_part(type_name: str, whole: UUID, part: UUID) -> strawberry.ID:
    """The opaque id of an object that is found through another one: its GraphQL type, the other's
    key, and its own key among that one's parts.
    """
    return strawberry.ID(_encode(type_name.encode("ascii") + b":" + whole.bytes + part.bytes))


def read_global_id_of_part(type_name: str, text: str) -> tuple[UUID, UUID] | None:
    """The two keys; None for a text that `global_id_of_part` did not make for this type."""
    data, head = _decode(text), type_name.encode("ascii") + b":"
    if data is None or len(data) != len(head) + 2 * _UUID_BYTES or not data.startswith(head):
        return None
    keys = data[len(head) :]
    return UUID(bytes=keys[:_UUID_BYTES]), UUID(bytes=keys[_UUID_BYTES:])


def key_of(type_name: str, text: str) -> UUID | None:
    """The key in a global id of this type; None for an id of another type and for text that is not
    an id.
    """
    found = read_global_id(text)
    return found[1] if found is not None and found[0] == type_name else None


# ---------------------------------------------------------------- cursors


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A total order of a list, ascending: its name, and the types of its sort key, whose last part
    makes it unique.
    """

    name: str
    types: tuple[type[SortValue], ...]

    def cursor(self, key: SortKey) -> str:
        values = [value.hex if isinstance(value, UUID) else value for value in key]
        return _encode(orjson.dumps([_CURSOR_VERSION, self.name, *values]))

    def key(self, cursor: str) -> SortKey | None:
        """The sort key in a cursor; None for a cursor of another list or version, and for text that
        is not a cursor.
        """
        data = _decode(cursor)
        try:
            held = orjson.loads(data) if data is not None else None
        except orjson.JSONDecodeError:
            return None
        if (
            not isinstance(held, list)
            or held[:2] != [_CURSOR_VERSION, self.name]
            or len(held) != 2 + len(self.types)
        ):
            return None
        try:
            return tuple(
                _sort_value(value, kind) for value, kind in zip(held[2:], self.types, strict=True)
            )
        except ValueError:
            return None


# What PostgreSQL's bigint holds.
_BIGINT: Final = 2**63


def _sort_value(value: object, kind: type[SortValue]) -> SortValue:
    """Raises ValueError unless the value is of the kind. Text with a zero byte is refused:
    PostgreSQL can't store it.
    """
    if kind is int and type(value) is int and -_BIGINT <= value < _BIGINT:
        return value
    if isinstance(value, str) and "\0" not in value:
        if kind is str:
            return value
        if kind is UUID:
            return UUID(hex=value)
        if kind is datetime and (instant := datetime.fromisoformat(value)).tzinfo is not None:
            return instant
    raise ValueError("not a sort key of this order")


# ---------------------------------------------------------------- pages


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The `limit` rows after `after` (or, backward, before `before`), between the two where both
    are given.

    Fetch `fetch_limit` rows whose key is above `after` and below `before`: ascending, or descending
    where `backward`.
    """

    limit: int = DEFAULT_PAGE_SIZE
    backward: bool = False
    after: SortKey | None = None
    before: SortKey | None = None

    @property
    def fetch_limit(self) -> int:
        """One row more than asked for tells whether there is another page."""
        return self.limit + 1

    @property
    def keyset(self) -> Keyset:
        """The rows to fetch."""
        return Keyset(
            limit=self.fetch_limit, backward=self.backward, after=self.after, before=self.before
        )

    @classmethod
    def read(
        cls,
        order: Order,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Self:
        """From a connection's arguments; raises BadUserInput for a size out of range, both sizes,
        or a bad cursor.
        """
        if first is not None and last is not None:
            raise BadUserInput("Give first or last, not both.", "last")
        name, size = ("first", first) if last is None else ("last", last)
        if size is not None and not 0 <= size <= MAX_PAGE_SIZE:
            raise BadUserInput(f"{name} must be between 0 and {MAX_PAGE_SIZE}.", name)
        return cls(
            limit=DEFAULT_PAGE_SIZE if size is None else size,
            backward=last is not None,
            after=_read_cursor(order, "after", after),
            before=_read_cursor(order, "before", before),
        )


def _read_cursor(order: Order, name: str, cursor: str | None) -> SortKey | None:
    if cursor is None:
        return None
    key = order.key(cursor)
    if key is None:
        raise BadUserInput(f"{name} must be a cursor that this list gave out.", name)
    return key


@strawberry.type(
    description="Where a page of a connection begins and ends, and whether there is more."
)
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether rows precede this page.")
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first row; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last row, to be given as `after`; null on an empty page."
    )


@strawberry.type(description="A row of a page, with its place in the list.")
class Edge(Generic[NodeType]):
    cursor: str = strawberry.field(
        description="Opaque; give it as `after` or `before` to page on from this row."
    )
    node: NodeType = strawberry.field(description="The row itself.")


def _edges(self: "Connection[NodeType]") -> list[Edge[NodeType]]:
    return [
        Edge(cursor=cursor, node=node)
        for cursor, node in zip(self.cursors(), self.nodes, strict=True)
    ]


async def _total_count(self: "Connection[Any]") -> int | None:
    return None if self.count is None else await self.count()


@strawberry.type(description="A page of a list, in its order.")
class Connection(Generic[NodeType]):
    edges: list[Edge[NodeType]] = strawberry.field(
        resolver=_edges, description="The rows with their cursors."
    )
    nodes: list[NodeType] = strawberry.field(
        description="The rows alone: the same ones as in `edges`."
    )
    page_info: PageInfo = strawberry.field(
        description="What a client needs to fetch further pages."
    )
    total_count: int | None = strawberry.field(
        resolver=_total_count,
        description="How many rows the whole list has. Counted only when asked for.",
    )
    cursors: strawberry.Private[Callable[[], list[str]]]
    """Makes a cursor for each row, on demand: most callers want the rows alone."""
    count: strawberry.Private[Callable[[], Awaitable[int]] | None] = None


def connect(
    page: PageRequest,
    order: Order,
    rows: Sequence[Row],
    *,
    key: Callable[[Row], SortKey],
    node: Callable[[Row], NodeType],
    count: Callable[[], Awaitable[int]] | None = None,
) -> Connection[NodeType]:
    """The page of at most `limit` rows, in ascending order, from up to `fetch_limit` rows as they
    were fetched.
    """
    more = len(rows) > page.limit
    kept = list(rows[: page.limit])
    if page.backward:
        kept.reverse()
    return Connection(
        nodes=[node(row) for row in kept],
        cursors=lambda: [order.cursor(key(row)) for row in kept],
        page_info=PageInfo(
            # A cursor given for the far side was a row of the list, so there was something there.
            has_next_page=page.before is not None if page.backward else more,
            has_previous_page=more if page.backward else page.after is not None,
            start_cursor=order.cursor(key(kept[0])) if kept else None,
            end_cursor=order.cursor(key(kept[-1])) if kept else None,
        ),
        count=count,
    )


Search = Annotated[
    str | None,
    strawberry.argument(description="Only names that contain this text, in any case."),
]
Ids = Annotated[
    list[strawberry.ID] | None,
    strawberry.argument(description="Only these; unknown ones are left out."),
]
IncludeArchived = Annotated[
    bool | None,
    strawberry.argument(description="Include what is archived. Staff only; no effect for others."),
]
First = Annotated[
    int | None,
    strawberry.argument(
        description=(
            f"How many rows from the start, 0 to {MAX_PAGE_SIZE}; {DEFAULT_PAGE_SIZE} "
            "where neither is given."
        )
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="Only rows after the one with this cursor.")
]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"How many rows from the end, 0 to {MAX_PAGE_SIZE}."),
]
Before = Annotated[
    str | None, strawberry.argument(description="Only rows before the one with this cursor.")
]
