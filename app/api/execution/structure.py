"""The shape of a document, checked before it is validated: no schema needed, and linear in the
document.

A fragment is walked once at each place it is spread into, however often: a kilobyte of fragments
that double each other is as quick as any other kilobyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    NameNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    TokenKind,
    ValueNode,
)

from app.api.execution.limits import Limits
from app.api.words.errors import TooComplex

_SHOWN: Final = 20
"""Characters of a name that is too long, in the message about it."""

Fragments = Mapping[str, FragmentDefinitionNode]

_TEXTS = frozenset({TokenKind.STRING, TokenKind.BLOCK_STRING})


def fragments_of(document: DocumentNode) -> Fragments:
    return {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }


def has_text_in_mutations(document: DocumentNode) -> bool:
    """Whether the document has a mutation and any string literal. Then it may contain somebody's
    name or address, and must not outlive its request: an erasure could not find it.
    """
    has_mutation = any(
        isinstance(node, OperationDefinitionNode) and node.operation is OperationType.MUTATION
        for node in document.definitions
    )
    token = document.loc.start_token if has_mutation and document.loc else None
    while token is not None:
        if token.kind in _TEXTS:
            return True
        token = token.next
    return False


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Raises TooComplex if a definition, used or not, exceeds a limit: validation walks through all
    of them.
    """
    fragments = fragments_of(document)
    operations = sum(isinstance(each, OperationDefinitionNode) for each in document.definitions)
    if operations > limits.operations:
        raise TooComplex(
            f"The document has {operations} operations; at most {limits.operations} are allowed."
        )
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            _check_name(definition.name, limits.name_characters)
            _check_directives(definition.directives, limits)
            for variable in definition.variable_definitions or ():
                _check_name(variable.variable.name, limits.name_characters)
                _check_directives(variable.directives, limits)
                _check_input(variable.default_value, limits)
            _check_place(definition.selection_set, fragments, limits)
            for selection in _inside(definition.selection_set):
                _check_directives(selection.directives, limits)
                if isinstance(selection, FragmentSpreadNode):
                    _check_name(selection.name, limits.name_characters)
                if isinstance(selection, FieldNode):
                    _check_name(selection.alias, limits.response_name_characters)
                    _check_name(selection.name, limits.response_name_characters)
                    for argument in selection.arguments or ():
                        _check_input(argument.value, limits)
                    if selection.selection_set is not None:
                        _check_place(selection.selection_set, fragments, limits)


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, ...]:
    """The names of the fields that the operation selects at its root, each as often as it does."""
    fragments = fragments_of(document)
    return tuple(node.name.value for node in _at_place(operation.selection_set, fragments))


def check_operation(
    document: DocumentNode, operation: OperationDefinitionNode, limits: Limits
) -> None:
    """Raises TooComplex for too many aliases or root fields, those of the fragments that it reaches
    included.
    """
    fragments = fragments_of(document)
    roots = len({_response_name(node) for node in _at_place(operation.selection_set, fragments)})
    if roots > limits.root_fields:
        raise TooComplex(
            f"The operation has {roots} root fields; at most {limits.root_fields} are allowed."
        )
    aliases = 0
    seen: set[str] = set()
    waiting = [operation.selection_set]
    while waiting:
        for selection in _inside(waiting.pop()):
            if isinstance(selection, FieldNode):
                aliases += selection.alias is not None
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                seen.add(selection.name.value)
                if selection.name.value in fragments:
                    waiting.append(fragments[selection.name.value].selection_set)
    if aliases > limits.aliases:
        raise TooComplex(
            f"The operation has {aliases} aliases; at most {limits.aliases} are allowed."
        )


def _inside(node: SelectionSetNode) -> Iterator[SelectionNode]:
    """Every selection written below, at any depth; spreads are not followed."""
    waiting = [node]
    while waiting:
        for selection in waiting.pop().selections:
            yield selection
            if (
                isinstance(selection, FieldNode | InlineFragmentNode)
                and selection.selection_set is not None
            ):
                waiting.append(selection.selection_set)


def _at_place(node: SelectionSetNode, fragments: Fragments) -> Iterator[FieldNode]:
    """The fields that are merged into one object: those written here, and those of the fragments
    here, each once.
    """
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                waiting.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in fragments and name not in seen:
                    seen.add(name)
                    waiting.append(fragments[name].selection_set)


def _response_name(node: FieldNode) -> str:
    return (node.alias or node.name).value


def _check_place(node: SelectionSetNode, fragments: Fragments, limits: Limits) -> None:
    counts: Counter[str] = Counter()
    for child in _at_place(node, fragments):
        name = _response_name(child)
        counts[name] += 1
        if counts[name] > limits.repeats:
            raise TooComplex(
                f"One field is selected more than {limits.repeats} times at one place."
            )


def _check_directives(directives: Sequence[DirectiveNode] | None, limits: Limits) -> None:
    if directives is not None and len(directives) > limits.directives:
        raise TooComplex(
            f"There are {len(directives)} directives at one place; at most {limits.directives} "
            "are "
            "allowed."
        )


def _check_name(name: NameNode | None, most: int) -> None:
    if name is not None and len(name.value) > most:
        raise TooComplex(
            f"The name {name.value[:_SHOWN]}… has {len(name.value)} characters; at most {most} are "
            "allowed."
        )


def _check_input(value: ValueNode | None, limits: Limits) -> None:
    waiting = [] if value is None else [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ListValueNode):
            if len(node.values) > limits.input_items:
                raise TooComplex(f"A list has more than {limits.input_items} items.")
            waiting.extend(node.values)
        elif isinstance(node, ObjectValueNode):
            if len(node.fields) > limits.input_fields:
                raise TooComplex(f"An object has more than {limits.input_fields} fields.")
            waiting.extend(entry.value for entry in node.fields)
