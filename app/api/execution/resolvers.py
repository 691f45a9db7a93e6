"""Resolvers as the executor calls them, and inputs as it coerces them, without layers between.

Strawberry wraps every resolver in the layers that any field might need: extensions, handlers of
exceptions, conversion of input types. Most fields need none, and the layers took a third of the
time in which a cached listing is executed. Fields that need one keep Strawberry's own resolver.
GraphQL's own coercion makes the input types (`out_type`), instead of Strawberry's conversion from
dictionaries for each argument, which took a twelfth of a booking.
"""

from __future__ import annotations

from dataclasses import MISSING
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from graphql import (
    GraphQLInputObjectType,
    GraphQLSchema,
    get_named_type,
    is_input_object_type,
    is_object_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import Info
from strawberry.types.field import StrawberryField

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLResolveInfo
    from strawberry.types.base import StrawberryObjectDefinition
    from strawberry.types.fields.resolver import StrawberryResolver

_DEFINITION: Final = GraphQLCoreConverter.DEFINITION_BACKREF


def unwrap(schema: GraphQLSchema) -> None:
    """Set the plain fields of a Strawberry schema to call their resolvers directly, and its inputs
    to be made by coercion.
    """
    for kind in schema.type_map.values():
        if is_input_object_type(kind):
            _make_by_coercion(kind)
        for field in kind.fields.values() if is_object_type(kind) else ():
            definition = field.extensions.get(_DEFINITION)
            if not isinstance(definition, StrawberryField):
                continue
            if _is_plain(definition):
                for argument, parameter in zip(
                    field.args.values(), definition.arguments, strict=True
                ):
                    argument.out_name = parameter.python_name
                field.resolve = _resolver(definition)
            elif any(
                is_input_object_type(get_named_type(argument.type))
                for argument in field.args.values()
            ):
                raise TypeError(
                    f"{definition.name} needs Strawberry's own resolver, which converts inputs: "
                    "they would be converted twice"
                )


def _make_by_coercion(kind: GraphQLInputObjectType) -> None:
    definition = cast("StrawberryObjectDefinition", kind.extensions[_DEFINITION])
    make = definition.origin
    for own, field in zip(definition.fields, kind.fields.values(), strict=True):
        field.out_name = own.python_name
    absent = {
        own.python_name: None
        for own in definition.fields
        if own.default is MISSING and own.default_factory is MISSING
    }
    kind.out_type = lambda value: make(**(absent | value))  # type: ignore[method-assign]  # as its constructor does


def _is_plain(definition: StrawberryField) -> bool:
    """Whether the resolver takes only arguments, as GraphQL coerces them."""
    resolver = definition.base_resolver
    return (
        not definition.extensions
        and not definition.is_subscription
        and (resolver is None or _is_function(resolver))
    )


def _is_function(resolver: StrawberryResolver[object]) -> bool:
    """Whether it is a plain function of the source, the info and the arguments."""
    others = resolver.root_parameter or resolver.parent_parameter
    return isinstance(resolver.wrapped_func, FunctionType) and others is None


def _resolver(definition: StrawberryField) -> Callable[..., object]:
    if definition.base_resolver is None:
        name = definition.python_name
        return lambda source, _info: getattr(source, name)
    call = cast("Callable[..., object]", definition.base_resolver.wrapped_func)
    of_source = definition.base_resolver.self_parameter is not None
    if definition.base_resolver.info_parameter is None:
        if of_source:
            return lambda source, _info, **arguments: call(source, **arguments)
        return lambda _source, _info, **arguments: call(**arguments)

    def resolve(source: object, info: GraphQLResolveInfo[Any], **arguments: object) -> object:
        own: Info[Any, Any] = Info(_raw_info=info, _field=definition)
        return call(source, info=own, **arguments) if of_source else call(info=own, **arguments)

    return resolve
