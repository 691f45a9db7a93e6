"""Errors in answers and in the log.

Callers get their own errors unchanged; all others are masked, with an id. The log gets the id, the
kind of exception and where it was raised; never its message, variables or the document, because
they may contain personal data. At DEBUG the message is logged too.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from graphql import ArgumentNode, GraphQLError, ValueNode

from app.api.transport.requests import RequestInfo
from app.api.words.errors import Code, cause_of

log = logging.getLogger(__name__)

# Some messages quote the document; a name in it may be as long as the whole request.
_LONGEST_MESSAGE: Final = 500
_LONGEST_NAME: Final = 100

UNEXPECTED: Final = "Something went wrong on our side. If it happens again, tell us the id."
UNAVAILABLE: Final = (
    "The service can't be reached right now. Nothing is lost; try again in a moment."
)
TOO_BUSY: Final = "Too many queries are being answered right now. Try again in a moment."
TIMED_OUT: Final = "The request took too long and was given up."


class Answers:
    """Turns exceptions into errors that may be shown."""

    def __init__(self, unavailable: tuple[type[BaseException], ...]) -> None:
        self._unavailable = unavailable

    def errors(
        self, errors: Iterable[GraphQLError], info: RequestInfo, operation: str | None = None
    ) -> list[dict[str, Any]]:
        return [self._error(error, info, operation) for error in errors]

    def exception(
        self, exception: BaseException, info: RequestInfo, operation: str | None = None
    ) -> dict[str, Any]:
        """One error for an exception that belongs to no field."""
        if isinstance(exception, GraphQLError):
            return self._error(exception, info, operation)
        return self._masked(exception, info, operation)

    def _error(
        self, error: GraphQLError, info: RequestInfo, operation: str | None
    ) -> dict[str, Any]:
        said: dict[str, Any] = {**error.formatted}
        cause = cause_of(error)
        if "code" not in (error.extensions or {}):
            if isinstance(cause, GraphQLError) and _is_about_an_argument(cause):
                said["extensions"] = {"code": str(Code.BAD_USER_INPUT)}
            else:
                said |= self._masked(cause, info, operation, error.path)
        if len(said["message"]) > _LONGEST_MESSAGE:
            said["message"] = said["message"][:_LONGEST_MESSAGE] + "…"
        return said

    def _masked(
        self,
        exception: BaseException,
        info: RequestInfo,
        operation: str | None,
        path: list[str | int] | None = None,
    ) -> dict[str, Any]:
        error_id = uuid4().hex
        known = {
            "error_id": error_id,
            "request_id": info.request_id,
            "operation": operation[:_LONGEST_NAME] if operation else None,
            # Response names are text of the caller's; the depth and the indexes are not.
            "field_depth": len(path) if path else 0,
        }
        if isinstance(exception, self._unavailable):
            log.warning(
                "unavailable: %s (request %s)", _kind(exception), info.request_id, extra=known
            )
            code, message = Code.SERVICE_UNAVAILABLE, UNAVAILABLE
        else:
            log.error(
                "unexpected %s (error %s, request %s)\n%s",
                _kind(exception),
                error_id,
                info.request_id,
                _frames(exception),
                extra=known,
            )
            code, message = Code.INTERNAL_SERVER_ERROR, UNEXPECTED
        log.debug("error %s in full", error_id, exc_info=exception)
        return {"message": message, "extensions": {"code": str(code), "id": error_id}}


def _is_about_an_argument(error: GraphQLError) -> bool:
    """Whether the executor rejected an argument only when the field ran: null from a variable that
    has a default.
    """
    return any(isinstance(node, ValueNode | ArgumentNode) for node in error.nodes or ())


def _kind(exception: BaseException) -> str:
    return f"{type(exception).__module__}.{type(exception).__qualname__}"


def _frames(exception: BaseException) -> str:
    """Where the exception and its causes were raised, oldest first, without their messages."""
    chain: list[BaseException] = []
    link: BaseException | None = exception
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(
        f"{_kind(link)}\n{''.join(traceback.format_tb(link.__traceback__))}"
        for link in reversed(chain)
    )
