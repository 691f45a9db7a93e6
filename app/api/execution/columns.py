"""Lists of objects, answered field by field: each field of the selection for all objects, then the
next.

The executor walks through a list object by object. For each object it looks up every field, coerces
its arguments, builds the resolver's info, and starts a task for each value that it has to await.
For a hundred providers, that took longer than the rest of the answer. Here, the work common to all
objects is done once, and their values are awaited together.

This is an attempt, with a list of errors of its own. If anything fails, at any depth, the attempt
is discarded and graphql-core's executor completes the list once more: it knows how an error affects
the fields around it. Resolvers within lists only read, and loaded data is not loaded again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from copy import copy
from enum import Enum, auto
from functools import partial
from inspect import isawaitable
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from graphql import (
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.executor import CollectedErrors, to_nodes
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, gather_with_cancel

from app.api.execution.executor import AnswerTooLargeError, PlainExecutor, names_size

if TYPE_CHECKING:
    from graphql import (
        GraphQLAbstractType,
        GraphQLCompositeType,
        GraphQLLeafType,
        GraphQLList,
        GraphQLObjectType,
        GraphQLOutputType,
        GraphQLResolveInfo,
    )
    from graphql.execution.collect_fields import FieldDetailsList
    from graphql.pyutils import AwaitableOrValue
    from strawberry.types.base import StrawberryObjectDefinition

Values: TypeAlias = "list[Any]"


class _ForTheExecutorError(Exception):
    """The list can't be completed by columns."""


class _Way(Enum):
    """How an executor completes lists."""

    TRY = auto()
    """Field by field; if that fails, object by object."""
    FIELDS = auto()
    """Field by field, within an attempt: any failure fails the whole attempt."""
    OBJECTS = auto()
    """Object by object."""


class ColumnExecutor(PlainExecutor):
    """Executes as Strawberry does, but completes lists of objects in another order."""

    _way = _Way.TRY

    @property
    def _is_wrapped(self) -> bool:
        """Whether middleware has to call every resolver."""
        return self.middleware_manager is not None and bool(self.middleware_manager.middlewares)

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,  # noqa: ANN401  whatever a resolver returns
        position_context: Any,  # noqa: ANN401  the library's
    ) -> Any:  # noqa: ANN401  the library's
        asked = (return_type, field_details_list, info, path, result, position_context)
        kind = get_nullable_type(return_type.of_type)
        if (
            self._way is _Way.OBJECTS
            or not is_object_type(kind)
            or not isinstance(result, Sequence)
            or not result
        ):
            return super().complete_list_value(*asked)
        places, sources = [Path(path, index, None) for index in range(len(result))], list(result)
        if self._way is _Way.FIELDS:
            return self._objects(kind, field_details_list, places, sources, info)

        def object_by_object() -> Any:  # noqa: ANN401  the library's
            return self._going(_Way.OBJECTS).complete_list_value(*asked)

        trial = self._going(_Way.FIELDS)
        trial.collected_errors = CollectedErrors()
        trial._size = self._size.part()  # noqa: SLF001  one of us
        objects: AwaitableOrValue[Values] | None = None
        try:
            objects = trial._objects(kind, field_details_list, places, sources, info)  # noqa: SLF001  one of us
        except AnswerTooLargeError:
            raise
        except Exception:  # noqa: BLE001, S110  whatever failed is tried again
            pass
        if objects is not None and self.is_awaitable(objects):
            return trial._or_else(objects, object_by_object)  # noqa: SLF001  one of us
        if objects is None or trial.collected_errors.errors:
            trial._size.take_back()  # noqa: SLF001  one of us
            return object_by_object()
        return objects

    def _going(self, way: _Way) -> Self:
        executor = copy(self)
        executor._way = way  # noqa: SLF001  one of us
        return executor

    async def _or_else(
        self, objects: Awaitable[Values], object_by_object: Callable[[], Any]
    ) -> Any:  # noqa: ANN401
        try:
            found = await objects
            if not self.collected_errors.errors:
                return found
        except AnswerTooLargeError:
            raise
        except Exception:  # noqa: BLE001, S110  whatever failed is tried again
            pass
        self._size.take_back()
        ordinary = object_by_object()
        return await ordinary if self.is_awaitable(ordinary) else ordinary

    def _objects(
        self,
        kind: GraphQLObjectType,
        details: FieldDetailsList,
        paths: Sequence[Path],
        sources: Sequence[object],
        info: GraphQLResolveInfo[Any],
    ) -> AwaitableOrValue[Values]:
        """The answer's objects for these sources, which are all of this kind."""
        classes = {type(source) for source in sources}
        fields, deferred, _ = self.collect_subfields(kind, details)
        if len(classes) != 1 or NoneType in classes or not fields or deferred or self._is_wrapped:
            raise _ForTheExecutorError
        if kind.is_type_of is not None and not kind.is_type_of(sources[0], info):
            raise _ForTheExecutorError
        self._size.add(len(sources) * names_size(fields))
        columns = self._each(
            self._column(kind, name, of_field, paths, sources) for name, of_field in fields.items()
        )
        names = tuple(fields)

        def objects(found: Sequence[Values]) -> Values:
            return [dict(zip(names, values, strict=True)) for values in zip(*found, strict=True)]

        return self._when_here(columns, objects)

    def _column(
        self,
        kind: GraphQLObjectType,
        name: str,
        details: FieldDetailsList,
        parents: Sequence[Path],
        sources: Sequence[object],
    ) -> AwaitableOrValue[Values]:
        """The values of a field for each of the sources, which are at these paths."""
        node = details[0].node
        definition = self.schema.get_field(kind, node.name.value)
        if definition is None:
            raise _ForTheExecutorError
        # The same for all of them, except the path, which is read only after an error.
        info = self.build_resolve_info(
            definition, to_nodes(details), kind, Path(parents[0], name, kind.name)
        )
        arguments = (
            get_argument_values(
                definition,
                node,
                self.variable_values,
                details[0].fragment_variable_values,
                self.hide_suggestions,
            )
            if definition.args
            else {}
        )
        resolve = definition.resolve or self.field_resolver
        values = self._each(resolve(source, info, **arguments) for source in sources)
        return self._when_here(
            values, partial(self._completed, definition.type, details, info, parents)
        )

    def _completed(
        self,
        kind: GraphQLOutputType,
        details: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        parents: Sequence[Path],
        values: Values,
    ) -> AwaitableOrValue[Values]:
        """The completed values of a field, as the answer has them."""
        inner = get_nullable_type(kind)
        completed: AwaitableOrValue[Values]
        if is_leaf_type(inner):
            completed = [None if value is None else self._leaf(inner, value) for value in values]
        else:
            paths = [Path(parent, info.path.key, info.path.typename) for parent in parents]
            if is_object_type(inner) or is_abstract_type(inner):
                completed = self._nested(inner, details, info, paths, values)
            else:
                each = self._each(
                    self.complete_value(kind, details, info, path, value, None)
                    for path, value in zip(paths, values, strict=True)
                )
                completed = self._when_here(each, list)
        return self._when_here([completed], _without_null) if is_non_null_type(kind) else completed

    def _leaf(self, kind: GraphQLLeafType, value: object) -> object:
        if isinstance(value, Exception):
            raise value
        return self.complete_leaf_value(kind, value)

    def _nested(
        self,
        kind: GraphQLCompositeType,
        details: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        paths: Sequence[Path],
        values: Values,
    ) -> AwaitableOrValue[Values]:
        """Objects, those of each class together; null where there is none."""
        places: dict[type, list[int]] = {}
        for place, value in enumerate(values):
            if value is not None:
                places.setdefault(type(value), []).append(place)

        def objects(at: Sequence[int]) -> AwaitableOrValue[Values]:
            here = [values[place] for place in at]
            own = (
                self._runtime_type(kind, details, info, here[0]) if is_abstract_type(kind) else kind
            )
            assert is_object_type(own)  # noqa: S101  for the type checker: what is composite and not abstract
            return self._objects(own, details, [paths[place] for place in at], here, info)

        def scattered(found: Sequence[Values]) -> Values:
            completed: Values = [None] * len(values)
            for at, objects in zip(places.values(), found, strict=True):
                for place, value in zip(at, objects, strict=True):
                    completed[place] = value
            return completed

        return self._when_here(self._each(map(objects, places.values())), scattered)

    def _runtime_type(
        self,
        kind: GraphQLAbstractType,
        details: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        value: object,
    ) -> GraphQLObjectType:
        """The type of all values of a class. Generic classes make several types."""
        definition: StrawberryObjectDefinition | None = getattr(
            type(value), "__strawberry_definition__", None
        )
        if definition is None or definition.is_graphql_generic:
            raise _ForTheExecutorError
        name = (kind.resolve_type or self.type_resolver)(value, info, kind)
        return self.ensure_valid_runtime_type(name, kind, details, info, value)

    def _each(self, values: Iterable[Any]) -> Values:
        """All of them; if one fails, the awaitables that have begun are still awaited."""
        each: Values = []
        try:
            each.extend(values)
        except Exception:
            self.track_async_work(each)
            raise
        return each

    def _when_here(
        self, values: Sequence[Any], then: Callable[[Any], AwaitableOrValue[Values]]
    ) -> AwaitableOrValue[Values]:
        """`then` of these values; later, if some of them have to be awaited."""
        waiting = [place for place, value in enumerate(values) if self.is_awaitable(value)]
        if not waiting:
            return then(values)

        # They begin together, at any depth of the answer, so their look-ups are batched.
        begun = [asyncio.ensure_future(values[place]) for place in waiting]

        async def later() -> Values:
            here = list(values)
            for place, value in zip(waiting, await gather_with_cancel(*begun), strict=True):
                here[place] = value
            done = then(here)
            return await done if isawaitable(done) else done

        return later()


def _without_null(found: Sequence[Values]) -> Values:
    (values,) = found
    if None in values:
        raise _ForTheExecutorError
    return values
