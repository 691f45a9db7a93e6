"""The limits of one request, one document and one connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.api.words.errors import BadUserInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one request, one document and one socket. The defaults suit the public
    internet.
    """

    body_bytes: int = 256 * 1024
    """Of a request's body, or of a message on a socket."""
    body_seconds: float = 10
    """Until the whole body is there; slower senders get a 408."""
    document_characters: int = 32 * 1024
    """Long texts belong into variables: the lexer takes two microseconds for ten characters of a
    literal.
    """
    tokens: int = 2_000
    """Of a document, and as many comments. GraphiQL's introspection has under 400."""
    depth: int = 12
    """Levels of fields. The deepest read that the API's own pages need has eight."""
    introspection_depth: int = 16
    """The same below `__schema` and `__type`: the tools of 2025 unwrap list and non-null types nine
    times.
    """
    operations: int = 20
    """Of a document: several rules read every fragment once for each operation."""
    response_name_characters: int = 64
    """Of an alias or a field's name: it is in the answer once for each row."""
    name_characters: int = 256
    """Of operations, fragments and variables."""
    comparisons: int = 10_000
    """Of fields with one response name, which validation compares in pairs: two for each pair, one
    for each argument. Some 5 ms in all; a document that repeats nothing spends nothing.
    """
    aliases: int = 30
    root_fields: int = 20
    directives: int = 5
    """At one place."""
    repeats: int = 50
    """Of one response name at one place, fragments included."""
    cost: int = 200_000
    """Fields in the answer: each counts once for every item of the lists around it, and once more
    for every 32 characters of its response name. One takes a few microseconds and some 40 bytes.
    """
    page_size: int = 20
    """Reckoned for a connection without `first` and `last`."""
    list_size: int = 25
    """Reckoned for a list without pages; a field may know better:
    `strawberry.field(metadata={"list_size": 7})`.
    """
    introspection_list_size: int = 10
    input_items: int = 500
    """Of any one list in the variables or in the document."""
    input_fields: int = 100
    """Of any one object in the variables or in the document. No input type has half as many; each
    unknown one is an error that quotes the whole object.
    """
    input_values: int = 10_000
    """Of all variables together, however they are nested."""
    operation_seconds: float = 30
    """For a query or mutation; after that, a mutation continues in the background, since it may
    have been committed.
    """
    init_seconds: float = 10
    """For a socket to send connection_init; then 4408."""
    recheck_seconds: float = 10
    """Between two checks that the caller of an open socket or event stream is still authorized."""
    send_seconds: float = 30
    """For a caller to read what was sent, before the connection is dropped: a socket that never
    reads holds memory.
    """
    keep_alive_seconds: float = 12
    """Between comments on a silent event stream; proxies cut silence off after 30 or 60 seconds."""
    operations_per_socket: int = 50
    """At the same time."""
    subscriptions_per_caller: int = 200
    """At the same time, over sockets and event streams together, in this process; 0 is no limit."""
    sockets_per_address: int = 200
    """At the same time, in this process; 0 is no limit. Offices and phone networks put many people
    behind one address.
    """
    answer_bytes: int = 8 * 1024 * 1024
    """Of an answer, nearly as it is written: it is refused while it is being made. A hundred
    providers with a week of slots each take a quarter.
    """
    document_bytes: int = 64 * 1024 * 1024
    """Of all parsed and validated documents that are kept, together with their texts."""
    prepared_bytes: int = 32 * 1024 * 1024
    """Of all queries that are kept with their variables, ready to run."""


_NESTED: Final = (list, dict)


def check_variables(variables: Mapping[str, object], limits: Limits) -> None:
    """Raises BadUserInput if a list or an object among the variables is too large, at any depth, or
    if they have too many values in total.
    """
    left = limits.input_values
    waiting: list[tuple[object, str]] = [(value, name) for name, value in variables.items()]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, _NESTED):
            left -= len(value)
            if left < 0:
                raise BadUserInput(f"The variables hold more than {limits.input_values} values.")
        if isinstance(value, list):
            if len(value) > limits.input_items:
                raise BadUserInput(f"A list has more than {limits.input_items} items.", place)
            waiting += [(item, place) for item in value if isinstance(item, _NESTED)]
        elif isinstance(value, dict):
            if len(value) > limits.input_fields:
                raise BadUserInput(f"An object has more than {limits.input_fields} fields.", place)
            waiting += [
                (item, f"{place}.{name}")
                for name, item in value.items()
                if isinstance(item, _NESTED)
            ]
