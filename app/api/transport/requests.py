"""What a caller sends, over HTTP and sockets alike, checked for its shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import Literal, NamedTuple, Protocol

from starlette.types import Scope

from app.api.words.errors import Code, Failure

ORGANIZATION_HEADER = "slotwright-organization"

# Names of documents are hashes, as a rule: a SHA-512 and what it is called have 135.
_LONGEST_DOCUMENT_ID = 255


class Credentials(NamedTuple):
    """How a caller presents themselves, unchecked: `authorization` is the whole value, scheme
    included.
    """

    authorization: str | None = None
    organization: str | None = None
    address: str | None = None
    """The caller's network address, as the server knows it."""


class Expiring(Protocol):
    """An identified caller: the part that the transport needs."""

    @property
    def expires_at(self) -> datetime | None:
        """When their credentials end, by the real clock; None for never. Streams end with them."""


class RequestInfo(NamedTuple):
    """Where an operation comes from. `request_id` is in the response and in every log line about
    it; `language`, one of `LANGUAGES`, is the one that the caller reads best. `takes_gzip`: the
    answer may be sent compressed.
    """

    request_id: str
    transport: Literal["http", "sse", "websocket"]
    address: str | None
    language: str
    takes_gzip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQLRequest:
    """A document, or a name for it, or both; and how to run it."""

    query: str | None
    document_id: str | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    operation_name: str | None = None


def read_request(body: object) -> GraphQLRequest:
    """Raises Failure (BAD_REQUEST) naming the part that has the wrong type. Unknown parts are
    ignored.
    """
    if isinstance(body, list):
        raise Failure(Code.BAD_REQUEST, "Batching is not supported: send one operation a request.")
    if not isinstance(body, dict):
        raise Failure(Code.BAD_REQUEST, "The request must be a JSON object.")
    query, variables, operation_name, extensions = (
        body.get(name) for name in ("query", "variables", "operationName", "extensions")
    )
    if extensions is not None and not isinstance(extensions, dict):
        raise Failure(Code.BAD_REQUEST, "extensions must be an object or null.")
    document_id = _document_id(body.get("documentId"), (extensions or {}).get("persistedQuery"))
    if query == "" and document_id is not None:
        query = None  # the types of graphql-ws want a query in every message
    if not isinstance(query, str) and (query is not None or document_id is None):
        raise Failure(Code.BAD_REQUEST, "query must be a string with a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        raise Failure(Code.BAD_REQUEST, "variables must be an object or null.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise Failure(Code.BAD_REQUEST, "operationName must be a string or null.")
    return GraphQLRequest(
        query=query,
        document_id=document_id,
        variables=variables or {},
        operation_name=operation_name or None,
    )


def _document_id(document_id: object, persisted: object) -> str | None:
    """How the request names its document, where it does: by `documentId`, or as Apollo's clients
    do.
    """
    if persisted is not None:
        if not isinstance(persisted, dict) or persisted.get("version") != 1:
            raise Failure(
                Code.BAD_REQUEST,
                "extensions.persistedQuery must be an object of version 1, or null.",
            )
        if document_id is None:
            document_id = persisted.get("sha256Hash", "")
    if document_id is not None and not (
        isinstance(document_id, str) and 0 < len(document_id) <= _LONGEST_DOCUMENT_ID
    ):
        raise Failure(
            Code.BAD_REQUEST,
            f"A document's name must be a string of 1 to {_LONGEST_DOCUMENT_ID} characters.",
        )
    return document_id


def headers_of(scope: Scope) -> dict[str, str]:
    """By their names in lower case; of a header that is sent several times, the first."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in reversed(scope["headers"])
    }


def credentials_in_headers(headers: Mapping[str, str], address: str | None) -> Credentials:
    return Credentials(
        authorization=headers.get("authorization"),
        organization=headers.get(ORGANIZATION_HEADER),
        address=address,
    )


def credentials_in_payload(payload: Mapping[str, object], of_socket: Credentials) -> Credentials:
    """The credentials in connection_init; those it leaves out are taken from the socket's headers.

    The organization's key may also be spelled like its header. Raises Failure (BAD_REQUEST) for a
    value that is not text.
    """
    said: dict[str, str] = {}
    for key, name in (
        ("authorization", "authorization"),
        ("organization", "organization"),
        (ORGANIZATION_HEADER, "organization"),
    ):
        for given, value in payload.items():
            if given.lower() != key or value is None:
                continue
            if not isinstance(value, str):
                raise Failure(Code.BAD_REQUEST, f"{key} must be a string")
            said[name] = value
    return Credentials(
        authorization=said.get("authorization", of_socket.authorization),
        organization=said.get("organization", of_socket.organization),
        address=of_socket.address,
    )


def address_of(scope: Scope) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client else None


# Characters that are safe in a header and in a log line.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._=+/-]{8,128}")


_KNOWN = "slotwright.request_id"


def request_id_of(scope: Scope) -> str:
    """The one that the caller or a proxy gave, where it is sane; otherwise a new one. It stays with
    the request.
    """
    known: str | None = scope.get(_KNOWN)
    if known is None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = given.decode() if _REQUEST_ID.fullmatch(given) else new_request_id()
        scope[_KNOWN] = known
    return known


CURRENT_REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the operation that the running task works for; for log lines written elsewhere."""


def new_request_id() -> str:
    return token_hex(16)
