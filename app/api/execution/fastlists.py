"""Lists whose leaves are ready when the resolver returns them: answered by one comprehension, not
leaf by leaf.

The executor completes a list one field of one item at a time, some three microseconds each; for
slots that is nearly all the time an answer takes. A resolver that returns `Rows` promises that the
values are what the answer shall hold, so where a selection asks for nothing else the whole list is
built at once. Whatever else is asked for (an object inside, an argument, a field that is no column)
is answered the ordinary way, from the objects that the rows stand for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, overload
from weakref import proxy

import orjson
from graphql import (
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.collect_fields import DeferUsage, FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.utils.str_converters import to_camel_case

from app.api.execution.columns import ColumnExecutor

if TYPE_CHECKING:
    from app.cache.written import WrittenLists

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Builder:
    """What builds the list of a selection from rows; there is one for each plan."""

    build: Callable[[Sequence[Row]], list[dict[str, Any]]]
    is_owned: bool
    """Whether the selection asks for what is the owner's."""


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


class Rows(Sequence[Any]):
    """Rows of a shape; as a sequence, the objects they stand for."""

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
    for some of the keys.

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
        make: Callable[[Sequence[Any]], Sequence[Row]],
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

    def make(self, keys: Sequence[Hashable]) -> Sequence[Row]:
        """The rows of these keys, in their order."""
        return self._make(keys)

    @property
    def rows(self) -> Sequence[Row]:  # type: ignore[override]  # read-only here
        if self._made is None:
            self._made = self._make(list(self.keys))
        return self._made


class Leaves(list[Any]):
    """A list of scalars that are what the answer shall hold."""

    __slots__ = ()


def _helpers_of(executor: RowExecutor) -> GraphQLResolveInfoHelpers:
    """What resolvers may ask the executor for.

    The library's own refer to the executor, and it to them: a cycle with all that was prepared for
    a request, which only the garbage collector frees. At a thousand requests a second that stopped
    the process for a second.
    """
    own = proxy(executor)
    return GraphQLResolveInfoHelpers(
        gather=lambda values: own.gather_async_work(values),  # noqa: PLW0108  its methods would refer to it again
        track=lambda values: own.track_async_work(values),  # noqa: PLW0108
    )


class RowExecutor(ColumnExecutor):
    """Executes as `ColumnExecutor` does, but for `Rows` and `Leaves`. Our endpoint uses
    no other.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the library's, passed on
        super().__init__(*args, **kwargs)
        self.async_helpers = _helpers_of(self)
        self._builders: dict[tuple[int, Shape], Builder | None] = {}
        self._root_fields: list[GroupedFieldSet] = []

    def again(self, context: object) -> Self:
        """For another answer to the same operation with the same variables, in another context.

        What follows from those two alone is shared: their values, and what is remembered of
        selections. Nothing in the new one refers to it, so all of it is gone as soon as it is let
        go, without the garbage collector.
        """
        executor = object.__new__(type(self))
        executor.__dict__.update(self.__dict__)
        executor.async_helpers = _helpers_of(executor)
        executor.context_value = context
        executor.collected_errors = CollectedErrors()
        executor.pending_incremental_futures = set()
        executor.background_futures = set()
        return executor

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,  # noqa: ANN401  the library's
        grouped_field_set: GroupedFieldSet,
        serially: bool,  # noqa: FBT001  the library's
        new_defer_usages: Sequence[DeferUsage],
    ) -> AwaitableOrValue[dict[str, Any]]:
        # The library collects them anew for every execution, and remembers what it knows of a
        # selection by its list: with the same lists all who share this memory find it, and a
        # million events of a subscription add nothing.
        if not self._root_fields:
            self._root_fields.append(grouped_field_set)
        return super().execute_collected_root_fields(
            root_type, root_value, self._root_fields[0], serially, new_defer_usages
        )

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
                return (
                    written(build, result)
                    if type(result) is KnownRows
                    else build.build(result.rows)
                )
        elif type(result) is Leaves and is_leaf_type(get_nullable_type(return_type.of_type)):
            return result
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _builder(
        self, list_type: GraphQLList[Any], field_details_list: FieldDetailsList, shape: Shape
    ) -> Builder | None:
        """What builds the list for this selection; None where rows of this shape do not have all
        that it asks for.
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


def _holds_leaves(kind: GraphQLOutputType) -> bool:
    while is_list_type(kind):
        kind = get_nullable_type(kind.of_type)
    return is_leaf_type(kind)


# A client has some dozens of selections of lists; each takes about 50 µs to compile, and then 1 kB.
_MAX_COMPILED: Final = 1024


@lru_cache(maxsize=_MAX_COMPILED)
def _compile(plan: Plan, is_owned: bool) -> Builder:  # noqa: FBT001  the two are its key
    # Response names are GraphQL names, columns are numbers: nothing of the caller's can be read as
    # anything else.
    code = f"lambda rows: {_comprehension(plan, 'rows', 0)}"
    return Builder(build=eval(code, {"__builtins__": {}}), is_owned=is_owned)  # noqa: S307  code of our own making, see above


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
"""Of rows that are remembered as they are written: some 100,000 slots. Those of the kind used
longest ago go first.
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

    __slots__ = ("_bytes", "_texts")

    def __init__(self) -> None:
        self._texts: OrderedDict[Kind, _Texts] = OrderedDict()
        self._bytes = 0

    def __call__(self, builder: Builder, rows: KnownRows) -> orjson.Fragment:
        kind = (builder, rows.shape, rows.kind, rows.owner if builder.is_owned else None)
        text = rows.written.get(kind)
        if text is None:
            text = self._join(kind, rows)
            rows.written.keep(kind, text)
        return orjson.Fragment(text)

    def _join(self, kind: Kind, rows: KnownRows) -> bytes:
        texts = self._texts.get(kind)
        if texts is None:
            texts = self._texts[kind] = _Texts()
            self._count(texts.bytes)
        else:
            self._texts.move_to_end(kind)
        try:
            joined = b",".join(map(texts.__getitem__, rows.keys))
        except KeyError:
            self._write(kind[0], rows, texts)
            joined = b",".join(map(texts.__getitem__, rows.keys))
        return b"[%b]" % joined

    def _write(self, builder: Builder, rows: KnownRows, texts: _Texts) -> None:
        missing = [key for key in rows.keys if key not in texts]
        # Copied, since orjson's own result holds on to 4 KiB, however short it is.
        new = [b"%b" % orjson.dumps(row) for row in builder.build(rows.make(missing))]
        texts.update(zip(missing, new, strict=True))
        size = sum(map(len, new)) + _ENTRY_BYTES * len(new)
        texts.bytes += size
        self._count(size)

    def _count(self, size: int) -> None:
        self._bytes += size
        while self._bytes > _MOST_WRITTEN_BYTES:
            self._bytes -= self._texts.popitem(last=False)[1].bytes


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
