"""The executor as the library has it, for answers of a bounded size, and to be used many times.

`PlainExecutor` makes answers exactly as graphql-core does, by way of Strawberry. Faster executors
derive from it, and must give the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import proxy

from graphql import GraphQLResolveInfoHelpers
from graphql.execution.executor import CollectedErrors
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from graphql import GraphQLLeafType, GraphQLObjectType, GraphQLOutputType
    from graphql.execution.collect_fields import (
        CollectedFields,
        DeferUsage,
        FieldDetailsList,
        GroupedFieldSet,
    )
    from graphql.execution.values import VariableValues
    from graphql.pyutils import AwaitableOrValue, Path

_FIELD_BYTES: Final = 6
"""Of a field in an answer, besides its name and its value: quotation marks, a colon, a comma."""

_LEAF_BYTES: Final = 8
"""Of a leaf that is not text."""


class AnswerTooLargeError(Exception):
    """The answer grew beyond its limit while it was being made."""


class AnswerSize:
    """Bytes of an answer so far, nearly as they are written. Raises AnswerTooLargeError above
    `most`.
    """

    __slots__ = ("_most", "_used", "_whole")

    def __init__(self, most: float, whole: AnswerSize | None = None) -> None:
        self._most = most
        self._whole = whole
        self._used = 0

    def add(self, size: int) -> None:
        self._used += size
        if self._whole is not None:
            self._whole.add(size)
        elif self._used > self._most:
            raise AnswerTooLargeError

    def part(self) -> AnswerSize:
        """A part that may be discarded."""
        return AnswerSize(inf, self)

    def take_back(self) -> None:
        """The part will not be in the answer after all."""
        if self._whole is not None:
            self._whole._used -= self._used  # noqa: SLF001  one of us


def names_size(names: Collection[str]) -> int:
    """Bytes that an object's fields take besides their values."""
    return sum(map(len, names)) + _FIELD_BYTES * len(names)


def _helpers_of(executor: PlainExecutor) -> GraphQLResolveInfoHelpers:
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


@dataclass(frozen=True, slots=True)
class Selections:
    """What was collected of an operation's selections. Its executions may share it, whatever their
    variables, where no directive depends on these.
    """

    root: list[GroupedFieldSet] = field(default_factory=list)
    below: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = field(
        default_factory=dict
    )


class PlainExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes as Strawberry does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the library's, passed on
        super().__init__(*args, **kwargs)
        self.async_helpers = _helpers_of(self)
        self._root_fields: list[GroupedFieldSet] = []
        self._size = AnswerSize(inf)

    def share(self, selections: Selections) -> None:
        """Use what was collected before, and add to it."""
        self._root_fields = selections.root
        self._relevant_sub_fields = selections.below

    def with_variables(self, values: VariableValues) -> Self:
        """For the same operation with other variables; it shares nothing that depends on these."""
        return type(self)(
            self.schema,
            self.fragment_definitions,
            self.fragments,
            self.root_value,
            None,
            self.operation,
            values,
            self.field_resolver,
            self.type_resolver,
            self.subscribe_field_resolver,
            is_awaitable=self.is_awaitable,
            is_async_iterable=self.is_async_iterable,
            hide_suggestions=self.hide_suggestions,
        )

    def again(self, context: object, most_bytes: float = inf) -> Self:
        """For another answer to the same operation with the same variables, in another context, of
        `most_bytes` at most.

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
        executor._size = AnswerSize(most_bytes)
        return executor

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,  # noqa: ANN401  the library's
        grouped_field_set: GroupedFieldSet,
        serially: bool,  # noqa: FBT001  the library's
        new_defer_usages: Sequence[DeferUsage],
    ) -> AwaitableOrValue[dict[str, Any]]:
        # The library collects them again for every execution, and remembers what it knows of a
        # selection by its list: with the same lists all who share this memory find it, and a
        # million events of a subscription add nothing.
        if not self._root_fields:
            self._root_fields.append(grouped_field_set)
        return super().execute_collected_root_fields(
            root_type, root_value, self._root_fields[0], serially, new_defer_usages
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,  # noqa: ANN401  the library's
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,  # noqa: ANN401  the library's
    ) -> AwaitableOrValue[dict[str, Any]]:
        self._size.add(names_size(grouped_field_set))
        return super().execute_fields(
            parent_type, source_value, path, grouped_field_set, position_context
        )

    def complete_leaf_value(self, return_type: GraphQLLeafType, result: Any) -> Any:  # type: ignore[override]  # noqa: ANN401  the library's is static
        value = super().complete_leaf_value(return_type, result)
        self._size.add(len(value) if type(value) is str else _LEAF_BYTES)
        return value

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        # No field is to blame, and no null in its place makes the answer smaller.
        if isinstance(raw_error, AnswerTooLargeError):
            raise raw_error
        super().handle_field_error(raw_error, return_type, field_details_list, path)
