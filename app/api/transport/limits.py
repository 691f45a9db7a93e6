"""How much one caller may ask for at once, and the one pass over a document that finds out, before it is validated.

Each fragment is measured once, however often it is spread, so that the pass is linear in the document: a kilobyte of
fragments that double each other is as quick as any other kilobyte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.field import StrawberryField

from app.api.errors import BadUserInput, TooComplex


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, one document and one socket may ask for. The defaults are for the public internet."""

    body_bytes: int = 256 * 1024
    """Of a request's body, or of a message on a socket."""
    body_seconds: float = 10
    """Until the whole body is there; slower senders get a 408."""
    tokens: int = 2_000
    """Of a document, and as many comments. GraphiQL's introspection has under 400."""
    depth: int = 12
    """Levels of fields. The deepest read that the API's own pages need has eight."""
    introspection_depth: int = 16
    """The same below `__schema` and `__type`: the tools of 2025 unwrap list and non-null types nine times."""
    aliases: int = 30
    root_fields: int = 20
    directives: int = 5
    """At one place."""
    cost: int = 200_000
    """Fields to be answered, each times the sizes of the lists around it; a field costs about a microsecond or two."""
    page_size: int = 20
    """Reckoned for a connection without `first` and `last`."""
    list_size: int = 25
    """Reckoned for a list without pages; a field may know better: `strawberry.field(metadata={"list_size": 7})`."""
    introspection_list_size: int = 10
    input_items: int = 500
    """Of any one list in the variables or in the document."""
    operation_seconds: float = 30
    """For a query or mutation; a mutation goes on in the background, since it may have been committed."""
    init_seconds: float = 10
    """For a socket to send connection_init; then 4408."""
    send_seconds: float = 30
    """For a caller to read what was sent, before it is given up: a socket that never reads holds memory."""
    keep_alive_seconds: float = 12
    """Between comments on a silent event stream; proxies cut silence off after 30 or 60 seconds."""
    operations_per_socket: int = 50
    """At the same time."""
    cached_tokens: int = 100_000
    """Of all parsed and validated documents that are kept, together; a token and its share of the tree take 1 kB."""


# A multiple of this is as good as infinite; it keeps the numbers, and the time to multiply them, small.
_COST_CEILING: Final = 10**15
# Longer numbers are no GraphQL integers, and Python refuses to read the longest of them.
_LONGEST_INT: Final = 12
_CONNECTION_ROWS: Final = frozenset({"edges", "nodes"})


@dataclass(slots=True)
class Measure:
    """What a selection adds up to, fragments included. `cost_per_row` counts for each row of its connection."""

    fields: int = 0
    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    cost: int = 0
    cost_per_row: int = 0

    def add(self, other: Measure) -> None:
        self.fields += other.fields
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.aliases += other.aliases
        self.cost = min(self.cost + other.cost, _COST_CEILING)
        self.cost_per_row = min(self.cost_per_row + other.cost_per_row, _COST_CEILING)


@dataclass(slots=True)
class _Pass:
    """One pass: measures every selection of a document for given variables, each fragment once."""

    schema: GraphQLSchema
    limits: Limits
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, object]
    done: dict[str, Measure] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    size_variables: set[str] = field(default_factory=set)

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None) -> Measure:
        total = Measure()
        for selection in node.selections:
            self.check_directives(selection.directives)
            if isinstance(selection, FieldNode):
                total.add(self.one_field(selection, parent))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = parent if condition is None else self.schema.get_type(condition.name.value)
                total.add(self.selections(selection.selection_set, inner))
            elif isinstance(selection, FragmentSpreadNode):
                total.add(self.fragment(selection.name.value))
        return total

    def fragment(self, name: str) -> Measure:
        found = self.done.get(name)
        if found is not None:
            return found
        definition = self.fragments.get(name)
        if definition is None or name in self.open:
            return Measure()  # unknown or cyclic: validation says so in words
        self.open.add(name)
        self.check_directives(definition.directives)
        parent = self.schema.get_type(definition.type_condition.name.value)
        measured = self.done[name] = self.selections(definition.selection_set, parent)
        self.open.remove(name)
        return measured

    def one_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Measure:
        name = node.name.value
        definition = self.schema.get_field(parent, name) if is_composite_type(parent) else None
        for argument in node.arguments or ():
            self.check_literal(argument.value)
        named = get_named_type(definition.type) if definition is not None else None
        inner = Measure() if node.selection_set is None else self.selections(node.selection_set, named)
        in_schema = named is not None and named.name.startswith("__")
        in_rows = _in_connection(parent) and name in _CONNECTION_ROWS
        paged = definition is not None and ("first" in definition.args or "last" in definition.args)
        size = 1
        if definition is not None and not in_rows and (paged or _is_list(definition.type)):
            size = self.size(node, definition, in_schema=in_schema)
        if definition is not None and _is_list(definition.type):
            cost = 1 + size * (inner.cost + inner.cost_per_row)
        else:
            cost = 1 + inner.cost + (size if paged else self.limits.page_size) * inner.cost_per_row
        cost = min(cost, _COST_CEILING)
        depth = 1 + max(inner.depth, inner.introspection_depth)
        return Measure(
            fields=1,
            depth=0 if in_schema else depth,
            introspection_depth=depth if in_schema else 0,
            aliases=inner.aliases + (node.alias is not None),
            cost=0 if in_rows else cost,
            cost_per_row=cost if in_rows else 0,
        )

    def size(self, node: FieldNode, definition: GraphQLField, *, in_schema: bool) -> int:
        """How many rows the field may answer with, as far as its arguments tell."""
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
        own = definition.extensions.get("strawberry-definition")
        size = own.metadata.get("list_size") if isinstance(own, StrawberryField) else None
        return size if isinstance(size, int) else self.limits.list_size

    def number(self, argument: ArgumentNode) -> int | None:
        value: object = None
        if isinstance(argument.value, IntValueNode):
            value = int(argument.value.value) if len(argument.value.value) < _LONGEST_INT else _COST_CEILING
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

    def check_directives(self, directives: Sequence[DirectiveNode] | None) -> None:
        if directives is not None and len(directives) > self.limits.directives:
            raise TooComplex(
                f"There are {len(directives)} directives at one place; at most {self.limits.directives} may be."
            )

    def check_literal(self, value: ValueNode) -> None:
        if isinstance(value, ListValueNode):
            if len(value.values) > self.limits.input_items:
                raise TooComplex(_too_many_items(self.limits))
            for item in value.values:
                self.check_literal(item)
        elif isinstance(value, ObjectValueNode):
            for entry in value.fields:
                self.check_literal(entry.value)


def _is_list(type_: GraphQLOutputType) -> bool:
    return is_list_type(type_.of_type if is_non_null_type(type_) else type_)


def _in_connection(parent: GraphQLNamedType | None) -> bool:
    return parent is not None and parent.name.endswith("Connection")


def check_document(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, object],
    limits: Limits,
) -> tuple[int, frozenset[str]]:
    """What the operation costs with these variables, and the names of those variables that its cost depends on.

    Raises TooComplex for the first limit that any operation of the document, or the cost of this one, is beyond.
    """
    walk = _Pass(
        schema=schema,
        limits=limits,
        fragments={node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)},
        variables={**_defaults(operation), **variables},
    )
    for name in walk.fragments:
        walk.fragment(name)
    cost = 0
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            walk.check_directives(node.directives)
            for definition in node.variable_definitions or ():
                walk.check_directives(definition.directives)
                if definition.default_value is not None:
                    walk.check_literal(definition.default_value)
            measured = walk.selections(node.selection_set, schema.get_root_type(node.operation))
            _check(measured, limits)
            if node is operation:
                cost = measured.cost
    if cost > limits.cost:
        raise TooComplex(
            f"The answer may have {cost if cost < _COST_CEILING else 'far too many'} fields; at most {limits.cost} are "
            "allowed. Ask for smaller pages, or for less in each row."
        )
    return cost, frozenset(walk.size_variables)


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


def _check(measured: Measure, limits: Limits) -> None:
    for what, found, most in (
        ("fields at its root", measured.fields, limits.root_fields),
        ("levels of fields", measured.depth, limits.depth),
        ("levels of introspection", measured.introspection_depth, limits.introspection_depth),
        ("aliases", measured.aliases, limits.aliases),
    ):
        if found > most:
            raise TooComplex(f"The operation has {found} {what}; at most {most} are allowed.")


def check_variables(variables: Mapping[str, object], limits: Limits) -> None:
    """Raises BadUserInput where a list among the variables is too long, however deep it lies."""
    waiting: list[tuple[object, str]] = [(value, name) for name, value in variables.items()]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, list):
            if len(value) > limits.input_items:
                raise BadUserInput(_too_many_items(limits), place)
            waiting.extend((item, place) for item in value if isinstance(item, list | dict))
        elif isinstance(value, dict):
            waiting.extend((item, f"{place}.{name}") for name, item in value.items() if isinstance(item, list | dict))


def _too_many_items(limits: Limits) -> str:
    return f"A list has more than {limits.input_items} items."
