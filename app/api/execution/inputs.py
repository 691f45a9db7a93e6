"""The variables of a known operation, coerced by functions that are made once for each input type.

The results are those of graphql-core, in less than half the time: the library finds out the kind of
each type again for every value. It still reports what is wrong with a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLLeafType,
    Undefined,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities.coerce_input_value import coerce_default_value

if TYPE_CHECKING:
    from graphql import GraphQLInputType, GraphQLSchema, OperationDefinitionNode
    from graphql.execution.get_variable_signature import GraphQLVariableSignature

Coerce: TypeAlias = Callable[[Any], Any]
"""Of a value of JSON: what it means, or `Undefined` where it is not of the type."""

NO_VALUES: Final = VariableValues({}, {})


class UnusualTypeError(Exception):
    """An input type that contains itself, so that its values may be of any depth; or a oneOf."""


class _Variable(NamedTuple):
    signature: GraphQLVariableSignature
    coerce: Coerce
    is_required: bool
    has_default: bool


class _Field(NamedTuple):
    name: str
    out_name: str
    coerce: Coerce
    default: Any
    is_required: bool


class Coercers:
    """Of the input types of a schema, each made when it is first needed."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._made: dict[tuple[GraphQLInputObjectType, bool], Coerce] = {}

    def of(self, operation: OperationDefinitionNode) -> Variables | None:
        """None where that is better left to the library."""
        variables: list[_Variable] = []
        for definition in operation.variable_definitions or ():
            signature = get_variable_signature(self._schema, definition)
            if isinstance(signature, GraphQLError):
                return None
            try:
                coerce = self.coerce(signature.type)
            except UnusualTypeError:
                return None
            is_required = is_non_null_type(signature.type)
            has_default = definition.default_value is not None
            variables.append(_Variable(signature, coerce, is_required, has_default))
        return Variables(variables)

    def coerce(self, type_: GraphQLInputType) -> Coerce:
        """Raises UnusualTypeError."""
        return self._coerce(type_, ())

    def _coerce(self, type_: Any, outer: tuple[GraphQLInputObjectType, ...]) -> Coerce:  # noqa: ANN401  the library's types have no useful union
        nothing = None
        if is_non_null_type(type_):
            type_, nothing = type_.of_type, Undefined
        if is_list_type(type_):
            return _of_list(self._coerce(type_.of_type, outer), nothing)
        if not is_input_object_type(type_):
            return _of_leaf(type_, nothing)
        if type_ in outer or type_.is_one_of:
            raise UnusualTypeError
        key = (type_, nothing is None)
        if key not in self._made:
            fields = [
                _Field(
                    name,
                    field.out_name or name,
                    self._coerce(field.type, (*outer, type_)),
                    coerce_default_value(field),
                    is_required_input_field(field),
                )
                for name, field in type_.fields.items()
            ]
            self._made[key] = _of_object(type_, fields, nothing)
        return self._made[key]


class Variables:
    """Those of an operation."""

    __slots__ = ("_variables",)

    def __init__(self, variables: list[_Variable]) -> None:
        self._variables = variables

    def values(self, given: Mapping[str, object]) -> VariableValues | None:
        """None where something is wrong with them, or left out and has a default."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, coerce, is_required, has_default in self._variables:
            name = signature.name
            value = given.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is not Undefined:
                found = coerce(value)
                if found is Undefined:
                    return None
                coerced[name] = found
            elif is_required or has_default:
                return None
        return VariableValues(sources, coerced)


def _of_leaf(type_: GraphQLLeafType, nothing: object) -> Coerce:
    coerce_value = type_.coerce_input_value

    def coerce(value: Any) -> Any:  # noqa: ANN401  as the library's
        if value is None:
            return nothing
        try:
            return coerce_value(value)
        except Exception:  # noqa: BLE001  as the library does
            return Undefined

    return coerce


def _of_list(coerce_item: Coerce, nothing: object) -> Coerce:
    def coerce(value: Any) -> Any:  # noqa: ANN401  as the library's
        if value is None:
            return nothing
        items = value if isinstance(value, list) else (value,)
        found: list[Any] = []
        for each in items:
            item = coerce_item(each)
            if item is Undefined:
                return Undefined
            found.append(item)
        return found

    return coerce


def _of_object(type_: GraphQLInputObjectType, fields: list[_Field], nothing: object) -> Coerce:
    make = type_.out_type

    def coerce(value: Any) -> Any:  # noqa: ANN401  as the library's
        if value is None:
            return nothing
        if not isinstance(value, dict):
            return Undefined
        found: dict[str, Any] = {}
        known = 0
        for name, out_name, coerce_field, default, is_required in fields:
            given = value.get(name, Undefined)
            if given is not Undefined:
                known += 1
                coerced = coerce_field(given)
                if coerced is Undefined:
                    return Undefined
                found[out_name] = coerced
            elif is_required:
                return Undefined
            elif default is not Undefined:
                found[out_name] = default
        return make(found) if known == len(value) else Undefined

    return coerce
