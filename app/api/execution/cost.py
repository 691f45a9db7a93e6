"""How deep an operation goes and how large its answer may become, by one walk that measures each
fragment once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from app.api.execution.limits import Limits
from app.api.execution.structure import Fragments, fragments_of
from app.api.words.errors import TooComplex

# Costs are capped at this: it keeps the numbers, and the time to multiply them, small.
_COST_CEILING: Final = 10**15
# Longer numbers are not GraphQL integers, and Python refuses to read the longest of them.
_LONGEST_INT: Final = 12
_NAME_CHARACTERS: Final = 32
"""Of a response name, as costly as a field. No field of the schema has a name as long."""
_CONNECTION_ROWS: Final = frozenset({"edges", "nodes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Fields in the answer, and the variables that their number depends on."""

    fields: int
    sizes: tuple[str, ...]


@dataclass(slots=True)
class _Measure:
    """What a selection adds up to, fragments included. `cost_per_row` counts for each row of its
    connection.
    """

    depth: int = 0
    introspection_depth: int = 0
    cost: int = 0
    cost_per_row: int = 0

    def add(self, other: _Measure) -> None:
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.cost = min(self.cost + other.cost, _COST_CEILING)
        self.cost_per_row = min(self.cost_per_row + other.cost_per_row, _COST_CEILING)


@dataclass(slots=True)
class _Walk:
    """Measures selections for given variables, each fragment once."""

    schema: GraphQLSchema
    limits: Limits
    fragments: Fragments
    variables: Mapping[str, object]
    done: dict[str, _Measure] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    size_variables: set[str] = field(default_factory=set)

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None) -> _Measure:
        total = _Measure()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total.add(self.one_field(selection, parent))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = parent if condition is None else self.schema.get_type(condition.name.value)
                total.add(self.selections(selection.selection_set, inner))
            elif isinstance(selection, FragmentSpreadNode):
                total.add(self.fragment(selection.name.value))
        return total

    def fragment(self, name: str) -> _Measure:
        found = self.done.get(name)
        if found is not None:
            return found
        definition = self.fragments.get(name)
        if definition is None or name in self.open:
            return _Measure()  # unknown or cyclic: validation reports it
        self.open.add(name)
        parent = self.schema.get_type(definition.type_condition.name.value)
        measured = self.done[name] = self.selections(definition.selection_set, parent)
        self.open.remove(name)
        return measured

    def one_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Measure:
        name = node.name.value
        definition = self.schema.get_field(parent, name) if is_composite_type(parent) else None
        named = get_named_type(definition.type) if definition is not None else None
        inner = (
            _Measure() if node.selection_set is None else self.selections(node.selection_set, named)
        )
        in_schema = named is not None and named.name.startswith("__")
        in_rows = _in_connection(parent) and name in _CONNECTION_ROWS
        paged = definition is not None and ("first" in definition.args or "last" in definition.args)
        size = 1
        if definition is not None and not in_rows and (paged or _is_list(definition.type)):
            size = self.size(node, definition, in_schema=in_schema)
        if definition is not None and _is_list(definition.type):
            below = size * (inner.cost + inner.cost_per_row)
        else:
            below = inner.cost + (size if paged else self.limits.page_size) * inner.cost_per_row
        depth = 1 + max(inner.depth, inner.introspection_depth)
        own = 1 + len((node.alias or node.name).value) // _NAME_CHARACTERS
        return _Measure(
            depth=0 if in_schema else depth,
            introspection_depth=depth if in_schema else 0,
            cost=own if in_rows else min(own + below, _COST_CEILING),
            cost_per_row=min(below, _COST_CEILING) if in_rows else 0,
        )

    def size(self, node: FieldNode, definition: GraphQLField, *, in_schema: bool) -> int:
        """The maximum number of rows of the field, by its arguments."""
        if in_schema:
            return self.limits.introspection_list_size
        given = {argument.name.value: argument for argument in node.arguments or ()}
        for name in ("first", "last"):
            if name in given and (size := self.number(given[name])) is not None:
                return size
        if "first" in definition.args:
            default = definition.args["first"].default_value
            return default if isinstance(default, int) else self.limits.page_size
        if "ids" in given and (size := self.length(given["ids"])) is not None:
            return size
        own = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        size = own.metadata.get("list_size") if isinstance(own, StrawberryField) else None
        return size if isinstance(size, int) else self.limits.list_size

    def number(self, argument: ArgumentNode) -> int | None:
        value: object = None
        if isinstance(argument.value, IntValueNode):
            value = (
                int(argument.value.value)
                if len(argument.value.value) < _LONGEST_INT
                else _COST_CEILING
            )
        elif isinstance(argument.value, VariableNode):
            value = self.variable(argument.value)
        return min(abs(value), _COST_CEILING) if isinstance(value, int) else None

    def length(self, argument: ArgumentNode) -> int | None:
        if isinstance(argument.value, ListValueNode):
            return len(argument.value.values)
        value = self.variable(argument.value) if isinstance(argument.value, VariableNode) else None
        return len(value) if isinstance(value, list) else None

    def variable(self, node: VariableNode) -> object:
        self.size_variables.add(node.name.value)
        return self.variables.get(node.name.value)


def _is_list(type_: GraphQLOutputType) -> bool:
    return is_list_type(type_.of_type if is_non_null_type(type_) else type_)


def _in_connection(parent: GraphQLNamedType | None) -> bool:
    return parent is not None and parent.name.endswith("Connection")


def measure(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, object],
    limits: Limits,
) -> Cost:
    """What the operation costs with these variables. Raises TooComplex if its cost or its depth
    exceeds a limit.
    """
    walk = _Walk(
        schema=schema,
        limits=limits,
        fragments=fragments_of(document),
        variables={**_defaults(operation), **variables},
    )
    measured = walk.selections(operation.selection_set, schema.get_root_type(operation.operation))
    for what, found, most in (
        ("levels of fields", measured.depth, limits.depth),
        ("levels of introspection", measured.introspection_depth, limits.introspection_depth),
    ):
        if found > most:
            raise TooComplex(f"The operation has {found} {what}; at most {most} are allowed.")
    if measured.cost > limits.cost:
        size = str(measured.cost) if measured.cost < _COST_CEILING else "far too many"
        raise TooComplex(
            f"The answer may have {size} fields; at most {limits.cost} are allowed. "
            "Ask for smaller pages, or for less in each row."
        )
    return Cost(fields=measured.cost, sizes=tuple(sorted(walk.size_variables)))


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    """The defaults of those variables that can be the size of something."""
    defaults: dict[str, object] = {}
    for definition in operation.variable_definitions or ():
        value = definition.default_value
        if isinstance(value, IntValueNode) and len(value.value) < _LONGEST_INT:
            defaults[definition.variable.name.value] = int(value.value)
        elif isinstance(value, ListValueNode):
            defaults[definition.variable.name.value] = list(value.values)
    return defaults
