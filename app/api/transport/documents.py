"""Persisted documents: callers register them by their hash, or the operator lists the only allowed
ones.

The first is Apollo's protocol for automatic persisted queries; its messages and codes are kept,
since clients compare them. https://github.com/apollographql/apollo-link-persisted-queries#protocol

The list is what GraphQL Code Generator writes for its client preset (`persistedDocuments`): a JSON
object from the hash of each document to its text. Requests name documents as the appendix of
GraphQL over HTTP has it (`documentId`, with `sha256:` before a hash or without), or as Apollo's
clients do.

A document with a mutation and a string literal runs, but is never registered: the literal may be
somebody's name or address, and an erasure could not find it. Clients send it in full each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import orjson

from app.api.execution.operations import (
    Operation,
    OperationRefused,
    Operations,
)
from app.api.transport.requests import GraphQLRequest
from app.api.words.errors import Code, Failure

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHA256_PREFIX: Final = "sha256:"
_LONGEST_REASON: Final = 300


class SharedDocuments(Protocol):
    """The store of registered documents, shared by all processes. While it is unavailable, it finds
    nothing and raises nothing.
    """

    async def find(self, sha256: str, /) -> str | None: ...

    async def keep(self, sha256: str, text: str, /) -> None: ...


class UnfitDocumentsError(ValueError):
    """A list of documents can't be used. The message says why, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Finds the document of a request. If there is a list, `listed`, only its documents run."""

    operations: Operations
    listed: Mapping[str, str] | None
    shared: SharedDocuments | None

    async def find(self, request: GraphQLRequest) -> str:
        """The text of the request's document. Raises OperationRefused."""
        if self.listed is not None:
            return _text_in(self.listed, request)
        text = request.query
        if request.document_id is not None and self.shared is not None:
            name = _plain(request.document_id)
            if text is None:
                return await self._find(name, self.shared)
            if _sha256_of(text) != name:
                raise OperationRefused(
                    Failure(Code.BAD_REQUEST, "provided sha does not match query")
                )
        if text is None:
            raise OperationRefused(
                Failure(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
            )
        return text

    async def keep(self, request: GraphQLRequest, operation: Operation) -> None:
        """Register the document if the request asks for it; called once it was found to run."""
        if self.shared is not None and operation.may_be_kept and self.are_registered_by(request):
            await self.shared.keep(_plain(request.document_id or ""), request.query or "")

    def are_registered_by(self, request: GraphQLRequest) -> bool:
        """Whether the request asks to register its document."""
        return (
            self.listed is None
            and self.shared is not None
            and request.document_id is not None
            and request.query is not None
        )

    async def _find(self, name: str, shared: SharedDocuments) -> str:
        text = None
        if _SHA256.fullmatch(name):
            text = self.operations.known(name) or await shared.find(name)
        if text is None or _sha256_of(text) != name:
            raise OperationRefused(
                Failure(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
            )
        return text


def read_list(path: Path) -> dict[str, str]:
    """The documents of a list, each under its own name and under its SHA-256. Raises
    UnfitDocumentsError.
    """
    try:
        read = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UnfitDocumentsError(f"{path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError:
        raise UnfitDocumentsError(f"{path} is not JSON.") from None
    if (
        not isinstance(read, dict)
        or not read
        or not all(isinstance(text, str) for text in read.values())
    ):
        raise UnfitDocumentsError(
            f"{path} must be a JSON object that maps hashes to the text of documents."
        )
    listed: dict[str, str] = {}
    for name, text in read.items():
        own = _sha256_of(text)
        if _SHA256.fullmatch(_plain(name)) and _plain(name) != own:
            raise UnfitDocumentsError(f"{path}: the document under {name} has another hash, {own}.")
        listed[_plain(name)] = listed[own] = text
    return listed


def check_list(listed: Mapping[str, str], operations: Operations) -> None:
    """Raises UnfitDocumentsError for the first document that could never run."""
    for name, text in listed.items():
        try:
            operations.check(text)
        except OperationRefused as refused:
            reason = refused.errors[0].message.rstrip(".")[:_LONGEST_REASON]
            raise UnfitDocumentsError(f"The document {name} can't run: {reason}.") from None


def _text_in(listed: Mapping[str, str], request: GraphQLRequest) -> str:
    """A document sent in full is found by its text: a client may use hashes of its own."""
    if request.query is not None:
        text = listed.get(_sha256_of(request.query))
        if text is None:
            message = "Only registered documents run here, and this is none of them."
            raise OperationRefused(Failure(Code.QUERY_NOT_IN_SAFELIST, message))
        return text
    text = listed.get(_plain(request.document_id or ""))
    if text is None:
        message = "Only registered documents run here, and none has this name."
        raise OperationRefused(Failure(Code.PERSISTED_QUERY_NOT_IN_LIST, message))
    return text


def _plain(name: str) -> str:
    return name.removeprefix(_SHA256_PREFIX)


def _sha256_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()
