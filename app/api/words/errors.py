"""What may go wrong with a request, as GraphQL errors with a code that programs can act on.

Only these errors reach a caller unchanged. Every other exception of a resolver is a bug or an
outage, and is masked.
"""

from __future__ import annotations

from enum import StrEnum

from graphql import GraphQLError


class Code(StrEnum):
    """`extensions.code` of every error. Where Apollo's clients and gateways have a name for it, it
    is theirs.
    """

    BAD_REQUEST = "BAD_REQUEST"
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    PERSISTED_QUERY_NOT_IN_LIST = "PERSISTED_QUERY_NOT_IN_LIST"
    QUERY_NOT_IN_SAFELIST = "QUERY_NOT_IN_SAFELIST"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    ANSWER_TOO_LARGE = "ANSWER_TOO_LARGE"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class Failure(GraphQLError):  # noqa: N818  these names say what happened, as the codes do
    """An error meant for the caller, who gets its message and extensions unchanged."""

    def __init__(self, code: str, message: str, **extensions: object) -> None:
        super().__init__(message, extensions={"code": str(code), **extensions})

    @property
    def code(self) -> str:
        return str((self.extensions or {})["code"])


class BadUserInput(Failure):
    """An argument with the right type and an unusable value; `field` names it as the caller
    wrote it.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        extensions = {} if field is None else {"field": field}
        super().__init__(Code.BAD_USER_INPUT, message, **extensions)


class Unauthenticated(Failure):
    """The credentials are not valid. Over HTTP 401; a socket closes with 4403, so that its client
    gets a new token.
    """

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNAUTHENTICATED, message)


class Forbidden(Failure):
    """The credentials are valid but do not permit the request. Over HTTP 403, on a
    socket 4403.
    """

    def __init__(self, message: str) -> None:
        super().__init__(Code.FORBIDDEN, message)


class TooComplex(Failure):
    """The document exceeds a limit of one request; the message names the limit and how much was
    asked for.
    """

    def __init__(self, message: str) -> None:
        super().__init__(Code.QUERY_TOO_COMPLEX, message)


def cause_of(error: GraphQLError) -> BaseException:
    """The original exception, inside the wrappers that the executor puts around it."""
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause
