"""Resolvers as the executor calls them, without layers between, for the fields whose arguments need no conversion.

Strawberry wraps every resolver in what any field might need: extensions, handlers of exceptions, conversion of input
types. Most fields have none of that, and it took a third of the time in which a cached listing is executed. Whatever is
not plain keeps Strawberry's own resolver.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from graphql import GraphQLField, GraphQLSchema, get_nullable_type, is_leaf_type, is_object_type
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import Info
from strawberry.types.field import StrawberryField

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLResolveInfo
    from strawberry.types.fields.resolver import StrawberryResolver

_DEFINITION: Final = GraphQLCoreConverter.DEFINITION_BACKREF


def unwrap(schema: GraphQLSchema) -> None:
    """Give the plain fields of a schema that Strawberry made their resolvers themselves."""
    for kind in schema.type_map.values():
        for field in kind.fields.values() if is_object_type(kind) else ():
            definition = field.extensions.get(_DEFINITION)
            if isinstance(definition, StrawberryField) and _is_plain(field, definition):
                for argument, parameter in zip(field.args.values(), definition.arguments, strict=True):
                    argument.out_name = parameter.python_name
                field.resolve = _resolver(definition)


def _is_plain(field: GraphQLField, definition: StrawberryField) -> bool:
    """Whether the resolver takes arguments as GraphQL coerces them, which is so for leaves, and nothing beside."""
    resolver = definition.base_resolver
    return (
        not definition.extensions
        and not definition.is_subscription
        and (resolver is None or _is_function(resolver))
        and all(is_leaf_type(get_nullable_type(argument.type)) for argument in field.args.values())
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
