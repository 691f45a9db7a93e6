"""Lists whose leaves are ready when the resolver returns them: answered by one comprehension, not
leaf by leaf.

The executor completes a list one field of one item at a time, some three microseconds each; for
slots that is nearly all the time an answer takes. A resolver that returns `Rows` promises that its
values are final, so a selection of columns alone is built as a whole list. Any other selection (an
object inside, an argument, a field that is not a column) is answered the ordinary way, from the
objects behind the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

import orjson
from graphql import (
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.utils.str_converters import to_camel_case

from app.api.execution.columns import ColumnExecutor
from app.api.execution.executor import names_size
from app.weighted_cache import WeightedCache, remembered

if TYPE_CHECKING:
    from app.cache.written import WrittenLists

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Builder:
    """What builds the list of a selection from rows; there is one for each plan."""

    build: Callable[[Sequence[Row]], list[dict[str, Any]]]
    is_owned: bool
    """Whether the selection has columns of the owner."""
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """What the rows of a list hold, made once for a type: `columns` are attributes of the type, in
    the rows' order.

    A column of scalars holds what the answer shall hold: text that is formatted already, integers,
    booleans, null where the field allows it, lists of these. A column in `nested` holds a list of
    rows of that shape, never null. `item` is the Strawberry type, or what else makes an object of
    it from the columns by name; nested rows come to it as `Rows`.
    """

    columns: tuple[str, ...]
    item: Callable[..., object]
    nested: Mapping[str, Shape] = field(default_factory=dict)
    owned: frozenset[str] = frozenset()
    """Columns that are alike in all rows of one owner; see `KnownRows`."""

    def object(self, row: Row) -> object:
        values = dict(zip(self.columns, row, strict=True))
        for name, shape in self.nested.items():
            values[name] = Rows(shape, values[name])
        return self.item(**values)


@cache
def _places(shape: Shape) -> dict[str, int]:
    """The columns by the names of their fields; there are as many shapes as the program makes, a
    handful.
    """
    return {to_camel_case(column): place for place, column in enumerate(shape.columns)}


class LaterRows(Sequence[Row]):
    """A row for each of the keys, made when they are asked for: `make` gives those of all keys. How
    many there are takes no row.
    """

    __slots__ = ("_keys", "_make")

    def __init__(self, keys: Sequence[Any], make: Callable[[Sequence[Any]], list[Row]]) -> None:
        self._keys = keys
        self._make = make

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._make(self._keys))

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self._make(self._keys)[index]


class Rows(Sequence[Any]):
    """Rows of a shape; as a sequence, the objects behind them."""

    __slots__ = ("rows", "shape")

    def __init__(self, shape: Shape, rows: Sequence[Row]) -> None:
        self.shape = shape
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        return map(self.shape.object, self.rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...  # noqa: ANN401  whatever the rows stand for

    @overload
    def __getitem__(self, index: slice) -> Rows: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Rows(self.shape, self.rows[index])
        return self.shape.object(self.rows[index])


class KnownRows(Rows):
    """Rows that are known by their keys, and are made only if they are needed: `make` gives them
    for some of the keys, with None in columns that are not among those it is asked for.

    The keys are those `of` the source, which never changes. A row follows from its key and from
    `kind`, but for the columns that the shape calls `owned`, which are the owner's. Each is
    remembered as it is written. The whole list is kept in `written`, which belongs to the source's
    owner and lives as long as it does.
    """

    __slots__ = ("_made", "_make", "_of", "kind", "owner", "source", "written")

    def __init__(
        self,
        shape: Shape,
        source: object,
        of: Callable[[Any], Iterable[Hashable]],
        make: Callable[[Sequence[Any], Container[str]], Sequence[Row]],
        *,
        kind: Hashable,
        owner: Hashable,
        written: WrittenLists,
    ) -> None:
        self.shape = shape
        self.source = source
        self.kind = kind
        self.owner = owner
        self.written = written
        self._of = of
        self._make = make
        self._made: Sequence[Row] | None = None

    @property
    def keys(self) -> Iterable[Hashable]:
        """One for each row, in their order."""
        return self._of(self.source)

    def make(self, keys: Sequence[Hashable], columns: Container[str]) -> Sequence[Row]:
        """The rows of these keys, in their order; other columns than these may be None."""
        return self._make(keys, columns)

    @property
    def rows(self) -> Sequence[Row]:  # type: ignore[override]  # read-only here
        if self._made is None:
            self._made = self._make(list(self.keys), self.shape.columns)
        return self._made


class Leaves(list[Any]):
    """A list of scalars, final as they are."""

    __slots__ = ()


class RowExecutor(ColumnExecutor):
    """Executes as `ColumnExecutor` does, except for `Rows` and `Leaves`. Our endpoint uses it,
    unless it is plain.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the library's, passed on
        super().__init__(*args, **kwargs)
        self._builders: dict[tuple[int, Shape], Builder | None] = {}

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,  # noqa: ANN401  whatever a resolver returns
        position_context: Any,  # noqa: ANN401  the library's
    ) -> Any:  # noqa: ANN401  the library's
        if isinstance(result, Rows):
            # `collect_subfields` keeps the list of details alive, and with it its id.
            key = (id(field_details_list), result.shape)
            if key in self._builders:
                build = self._builders[key]
            else:
                build = self._builders[key] = self._builder(
                    return_type, field_details_list, result.shape
                )
            if build is not None:
                if type(result) is KnownRows:
                    text = written(build, result)
                    self._size.add(len(text))
                    return orjson.Fragment(text)
                self._size.add(_answer_size(build.plan, result.rows))
                return build.build(result.rows)
        elif type(result) is Leaves and is_leaf_type(get_nullable_type(return_type.of_type)):
            self._size.add(len(result) * _COLUMN_BYTES)
            return result
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _builder(
        self, list_type: GraphQLList[Any], field_details_list: FieldDetailsList, shape: Shape
    ) -> Builder | None:
        """The builder of the list for this selection; None where the selection has fields that are
        not columns of this shape.
        """
        plan = self._plan(list_type, field_details_list, shape)
        return None if plan is None else _compile(plan, _is_owned(plan, shape))

    def _plan(
        self, list_type: GraphQLList[Any], field_details_list: FieldDetailsList, shape: Shape
    ) -> Plan | None:
        item_type = get_nullable_type(list_type.of_type)
        if self._is_wrapped or not is_object_type(item_type):
            return None
        fields, deferred, _ = self.collect_subfields(item_type, field_details_list)
        if deferred:
            return None
        entries: list[Entry] = []
        for response_name, details in fields.items():
            entry = self._entry(item_type, details, shape)
            if entry is None:
                return None
            entries.append((response_name, *entry))
        return tuple(entries)

    def _entry(
        self, item_type: GraphQLObjectType, details: FieldDetailsList, shape: Shape
    ) -> tuple[int | str, Plan | None] | None:
        name = details[0].node.name.value
        if name == "__typename":
            return item_type.name, None
        definition = item_type.fields.get(name)
        column = _places(shape).get(name)
        if definition is None or definition.args or column is None:
            return None
        nested = shape.nested.get(shape.columns[column])
        kind = get_nullable_type(definition.type)
        if nested is not None:
            plan = self._plan(kind, details, nested) if is_list_type(kind) else None
            return None if plan is None else (column, plan)
        return (column, None) if _holds_leaves(kind) else None


Entry = tuple[str, int | str, "Plan | None"]
"""A response name, the column that it comes from or the text that it always is, and what is done
with nested rows.
"""
Plan = tuple[Entry, ...]


_COLUMN_BYTES: Final = 30
"""Of a value in an answer, about: an instant has 27."""


def _answer_size(plan: Plan, rows: Sequence[Row]) -> int:
    """Bytes of these rows in the answer, about."""
    size = len(rows) * (names_size([name for name, _, _ in plan]) + _COLUMN_BYTES * len(plan))
    for _, source, inner in plan:
        if inner is not None and isinstance(source, int):
            size += sum(_answer_size(inner, row[source]) for row in rows)
    return size


def _holds_leaves(kind: GraphQLOutputType) -> bool:
    while is_list_type(kind):
        kind = get_nullable_type(kind.of_type)
    return is_leaf_type(kind)


_MOST_COMPILED_BYTES: Final = 8 * 1024 * 1024
"""A client has some dozens of selections of lists, each of which takes about 50 µs to compile."""
_BUILDER_BYTES: Final = 2_500
_PLAN_ENTRY_BYTES: Final = 250


def _entries(plan: Plan) -> int:
    return sum(1 + (0 if inner is None else _entries(inner)) for _, _, inner in plan)


@remembered(
    "compiled lists",
    most_bytes=_MOST_COMPILED_BYTES,
    weigh=lambda arguments, _builder: _BUILDER_BYTES + _PLAN_ENTRY_BYTES * _entries(arguments[0]),
)
def _compile(plan: Plan, is_owned: bool) -> Builder:  # noqa: FBT001  the two are its key
    # Response names are GraphQL names, columns are numbers: a caller's text can't become code.
    code = f"lambda rows: {_comprehension(plan, 'rows', 0)}"
    build = eval(code, {"__builtins__": {}})  # noqa: S307  code of our own making, see above
    return Builder(build=build, is_owned=is_owned, plan=plan)


def _is_owned(plan: Plan, shape: Shape) -> bool:
    return any(
        isinstance(source, int)
        and (
            shape.columns[source] in shape.owned
            or (inner is not None and _is_owned(inner, shape.nested[shape.columns[source]]))
        )
        for _, source, inner in plan
    )


_MOST_WRITTEN_BYTES: Final = 32 * 1024 * 1024
"""Of the cache of serialized rows: some 100,000 slots. The least recently used kind is evicted
first.
"""
_KIND_BYTES: Final = 2_000
"""What a kind takes, with the builder that only it may still know."""
_ENTRY_BYTES: Final = 200
"""What remembering a row takes besides its text."""


class _Texts(dict[Hashable, bytes]):
    """Rows of one kind as they are written, by their keys."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        super().__init__()
        self.bytes = _KIND_BYTES


Kind: TypeAlias = "tuple[Builder, Shape, Hashable, Hashable]"


class _Written:
    """Rows as they are written, by what builds them and of which kind they are."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: WeightedCache[Kind, _Texts] = WeightedCache(
            "written rows", most_bytes=_MOST_WRITTEN_BYTES, weigh=lambda _kind, texts: texts.bytes
        )

    def __call__(self, builder: Builder, rows: KnownRows) -> bytes:
        kind = (builder, rows.shape, rows.kind, rows.owner if builder.is_owned else None)
        text = rows.written.get(kind)
        if text is None:
            text = self._join(kind, rows)
            rows.written.keep(kind, text)
        return text

    def _join(self, kind: Kind, rows: KnownRows) -> bytes:
        texts = self._texts.get(kind)
        if texts is None:
            texts = _Texts()
        try:
            joined = b",".join(map(texts.__getitem__, rows.keys))
        except KeyError:
            self._write(kind[0], rows, texts)
            self._texts.put(kind, texts)
            joined = b",".join(map(texts.__getitem__, rows.keys))
        return b"[%b]" % joined

    def _write(self, builder: Builder, rows: KnownRows, texts: _Texts) -> None:
        missing = [key for key in rows.keys if key not in texts]
        # Copied, since orjson's own result holds on to 4 KiB, however short it is.
        columns = rows.shape.columns
        read = {columns[source] for _, source, _ in builder.plan if isinstance(source, int)}
        made = rows.make(missing, read)
        new = [b"%b" % orjson.dumps(row) for row in builder.build(made)]
        texts.update(zip(missing, new, strict=True))
        texts.bytes += sum(map(len, new)) + _ENTRY_BYTES * len(new)


written: Final = _Written()


def _comprehension(plan: Plan, rows: str, level: int) -> str:
    row = f"r{level}"
    entries = (
        f"{name!r}: "
        + (
            repr(source)
            if isinstance(source, str)
            else f"{row}[{source}]"
            if inner is None
            else _comprehension(inner, f"{row}[{source}]", level + 1)
        )
        for name, source, inner in plan
    )
    return f"[{{{', '.join(entries)}}} for {row} in {rows}]"
