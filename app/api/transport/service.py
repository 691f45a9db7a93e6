"""One operation from request to answer, the same for every transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import inf
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

import orjson
from graphql import ExecutionResult, OperationType

from app.admission.shedding import RETRY_AFTER_SECONDS, Shedding
from app.api.execution.limits import Limits
from app.api.execution.operations import (
    Operation,
    OperationRefused,
    Operations,
    Spent,
    forget_frames,
)
from app.api.transport.answers import TIMED_OUT, TOO_BUSY, Answers
from app.api.transport.bodies import Body
from app.api.transport.documents import Documents
from app.api.transport.known import FindAnswer, KeepAnswer, KnownAnswer
from app.api.transport.negotiation import EVENT_STREAM
from app.api.transport.places import Places, network_of
from app.api.transport.requests import Credentials, Expiring, GraphQLRequest, RequestInfo
from app.api.transport.watch import OK, Done, Watch, label_of, outcome_of
from app.api.words.errors import (
    Code,
    Failure,
    Forbidden,
    Unauthenticated,
)
from app.deadlines import within
from app.telemetry.tracing import span

V = TypeVar("V", bound=Expiring)

Payload = dict[str, Any]
"""An answer as GraphQL spells it: `data`, `errors`."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Generic[V]):
    """What the transports share."""

    operations: Operations
    documents: Documents
    identifier: Callable[[Credentials], Coroutine[Any, Any, V]]
    name_caller: Callable[[V], Hashable | None]
    make_context: Callable[[V, RequestInfo], object]
    subscriptions: Places
    limits: Limits
    answers: Answers
    clock: Callable[[], datetime]
    watch: Watch[V]
    shedding: Shedding
    find_known: FindAnswer[V] | None = None
    keep_known: KeepAnswer[V] | None = None

    async def identify(self, credentials: Credentials) -> V:
        """Raises Unauthenticated, Forbidden, what the identifier raises, and Failure where that
        takes too long.
        """
        try:
            return await within(self.limits.operation_seconds, self.identifier(credentials))
        except TimeoutError:
            raise Failure(Code.SERVICE_UNAVAILABLE, TIMED_OUT) from None

    async def prepare(
        self, request: GraphQLRequest, viewer: V, *, is_charged: bool = False
    ) -> Operation:
        """Raises OperationRefused, and Failure where the watch says no or the query is shed. Where
        the operation is charged already, only what it takes to prepare it is added.
        """
        if not is_charged:
            self.watch.knock(viewer)
        spent = Spent()
        text = await self._text(request, viewer)
        async with self.watch.turn(viewer) as has_waited:
            if has_waited and not is_charged:
                self.watch.knock(viewer)  # the operations before it may have spent the rest
            operation = None
            try:
                self._shed(text, request.operation_name)
                operation = await self.operations.read(
                    text, request.variables, request.operation_name, spent
                )
            finally:
                # refused, shed and abandoned operations are charged, too
                cost, fields = (0, ()) if operation is None else (operation.cost, operation.fields)
                if not is_charged:
                    self.watch.charge(viewer, cost, fields, spent.seconds)
                elif spent.seconds:
                    self.watch.charge(viewer, 0, (), spent.seconds)
        await self.documents.keep(request, operation)
        return operation

    def _shed(self, text: str, operation_name: str | None) -> None:
        """Raises Failure for a query that is shed."""
        if self.operations.is_query(text, operation_name) and self.shedding.sheds():
            raise Failure(Code.SERVICE_UNAVAILABLE, TOO_BUSY, retryAfterSeconds=RETRY_AFTER_SECONDS)

    async def _text(self, request: GraphQLRequest, viewer: V) -> str:
        try:
            return await self.documents.find(request)
        except OperationRefused:
            async with self.watch.turn(viewer):
                self.watch.charge(viewer, 0, (), 0.0)
            raise

    async def answer(self, operation: Operation, viewer: V, info: RequestInfo) -> Payload:
        """A query's or mutation's answer; never raises but for cancellation."""
        with self._watched(operation.fields, info) as answered:
            payload, _ = await self._answer(operation, viewer, info)
            answered(payload)
        return payload

    async def body(
        self, said: bytes, read: Callable[[bytes], GraphQLRequest], viewer: V, info: RequestInfo
    ) -> Body | Payload:
        """The answer to a query or mutation, whose request was sent in these bytes, as it is sent;
        a payload where there are errors. Raises what `read` raises, OperationRefused where it can't
        run, and Failure where the watch says no.

        A known answer is charged and counted like any other; nothing else is done for it.
        """
        known = None if self.find_known is None else self.find_known(said, viewer, info)
        if known is None:
            request = read(said)
            operation = await self._prepare(request, viewer)
            with self._watched(operation.fields, info) as answered:
                payload, context = await self._answer(operation, viewer, info)
                answered(payload)
        else:
            await self._admit(known, viewer)
            with self._watched(known.fields, info) as answered:
                body = await known.confirm()
                if body is not None:
                    return body
                request = read(said)
                operation = await self._prepare(request, viewer, is_charged=True)
                payload, context = await self._answer(operation, viewer, info)
                answered(payload)
        if "errors" in payload:
            return payload
        plain = orjson.dumps(payload)
        if (
            self.keep_known is None
            or operation.kind is not OperationType.QUERY
            or self.documents.are_registered_by(request)  # each time: Redis may have evicted it
        ):
            return Body(plain)
        return await self.keep_known(said, operation, viewer, info, context, plain)

    async def _admit(self, known: KnownAnswer, viewer: V) -> None:
        """Charge the caller as `prepare` does. Raises Failure."""
        self.watch.knock(viewer)
        async with self.watch.turn(viewer) as has_waited:
            if has_waited:
                self.watch.knock(viewer)
            self.watch.charge(viewer, known.cost, known.fields, 0.0)

    async def _prepare(
        self, request: GraphQLRequest, viewer: V, *, is_charged: bool = False
    ) -> Operation:
        """A query or mutation; refuses subscriptions."""
        operation = await self.prepare(request, viewer, is_charged=is_charged)
        if operation.kind is OperationType.SUBSCRIPTION:
            message = (
                "A subscription needs a WebSocket (graphql-transport-ws), or to be accepted "
                f"as {EVENT_STREAM}."
            )
            raise OperationRefused(Failure(Code.OPERATION_RESOLUTION_FAILURE, message))
        return operation

    @contextmanager
    def _watched(
        self, fields: tuple[str, ...], info: RequestInfo
    ) -> Iterator[Callable[[Payload], None]]:
        """Report the operation when the block has ended; what it is called with has its outcome."""
        started = perf_counter()
        payload: Payload = {}
        with span(label_of(fields), transport=info.transport):
            yield payload.update
        self._done(fields, info, outcome_of(payload.get("errors")), perf_counter() - started)

    async def _answer(
        self, operation: Operation, viewer: V, info: RequestInfo
    ) -> tuple[Payload, object]:
        """And the context that it was made in."""
        context: object = None
        try:
            context = self.make_context(viewer, info)
            result = await self._run(operation, viewer, context)
        except TimeoutError:
            payload = {"errors": self._errors(Failure(Code.SERVICE_UNAVAILABLE, TIMED_OUT), info)}
        except Exception as exception:  # noqa: BLE001  the last line of defence: logged and masked
            payload = {"errors": self._errors(exception, info, operation.name)}
        else:
            payload = self.payload(result, info, operation.name)
        return payload, context

    async def _run(self, operation: Operation, viewer: V, context: object) -> ExecutionResult:
        """A query waits for one of its caller's places. Raises TimeoutError."""
        if operation.kind is not OperationType.QUERY:
            return await self.operations.run(operation, context)
        async with self.watch.place(viewer):
            with self.shedding.query():
                return await self.operations.run(operation, context)

    @contextmanager
    def place(self, viewer: V, info: RequestInfo) -> Iterator[None]:
        """The caller's place for a subscription until the block ends. Raises Failure where all of
        theirs are taken.
        """
        caller = self.name_caller(viewer)
        with self.subscriptions.place(
            network_of(info.address) if caller is None else caller
        ) as free:
            if not free:
                most = self.limits.subscriptions_per_caller
                raise Failure(
                    Code.RATE_LIMITED,
                    f"At most {most} subscriptions of one caller may run at the same time.",
                )
            yield

    async def events(
        self, operation: Operation, viewer: V, info: RequestInfo
    ) -> AsyncGenerator[Payload, None]:
        """A subscription's answers. Raises what its source raised, and OperationRefused where it
        never began.
        """
        stream = await self.operations.subscribe(operation, lambda: self.make_context(viewer, info))
        self._done(operation.fields, info, OK, None)
        async with aclosing(stream):
            async for result in stream:
                yield self.payload(result, info, operation.name)
                # lets other tasks run between the answers of a busy source with a fast reader
                await asyncio.sleep(0)

    def payload(self, result: ExecutionResult, info: RequestInfo, operation: str | None) -> Payload:
        if result.errors:
            errors = self.answers.errors(result.errors, info, operation)
            for error in result.errors:
                if "code" in (error.extensions or {}):  # the caller's own; others may be shared
                    forget_frames(error)
            return {"errors": errors, "data": result.data}
        return {"data": result.data}

    def refusal(
        self, exception: Exception, info: RequestInfo, operation: str | None = None
    ) -> list[Payload]:
        """The errors of an operation that never began, or of a stream that broke."""
        errors = self._errors(exception, info, operation)
        self.watch.done(
            Done(fields=(), transport=info.transport, outcome=outcome_of(errors), seconds=None)
        )
        return errors

    def _errors(
        self, exception: Exception, info: RequestInfo, operation: str | None = None
    ) -> list[Payload]:
        if isinstance(exception, OperationRefused):
            return self.answers.errors(exception.errors, info, operation)
        return [self.answers.exception(exception, info, operation)]

    def _done(
        self, fields: tuple[str, ...], info: RequestInfo, outcome: str, seconds: float | None
    ) -> None:
        self.watch.done(
            Done(fields=fields, transport=info.transport, outcome=outcome, seconds=seconds)
        )

    async def lapse(self, credentials: Credentials, viewer: V) -> Failure:
        """Waits until the caller's token expires or is revoked, and returns which.

        The caller is re-identified every `recheck_seconds`. If that is impossible for now, they
        keep their access until it is possible again.
        """
        if credentials.authorization is None:
            await asyncio.get_running_loop().create_future()  # an anonymous caller stays anonymous
        while True:
            left, pause = self._seconds_left(viewer), self.limits.recheck_seconds
            await asyncio.sleep(min(left, pause))
            if left <= pause:
                return Unauthenticated("The token has expired.")
            try:
                viewer = await self.identify(credentials)
            except (Unauthenticated, Forbidden) as refusal:
                return refusal
            except Exception as exception:  # noqa: BLE001  the last line of defence; the next operation gets the error
                _log.info("could not re-identify a caller (%s)", type(exception).__name__)

    def _seconds_left(self, viewer: V) -> float:
        """Until the viewer's credentials expire."""
        if viewer.expires_at is None:
            return inf
        return max(0.0, (viewer.expires_at - self.clock()).total_seconds())
