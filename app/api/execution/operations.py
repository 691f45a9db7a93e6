"""Runs operations: parse, measure, validate, coerce, execute. Independent of the transport."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, field
from hashlib import sha256
from inspect import isawaitable
from math import inf
from time import perf_counter, thread_time
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard, cast

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    Source,
    Token,
    Undefined,
    is_non_null_type,
    specified_rules,
    validate,
)
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_root_selection_set,
    execute_subscription_event,
    map_source_to_response_event,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.language.parser import Parser, nested_too_deeply_error
from graphql.utilities.validate_input_value import validate_input_value
from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from app.api.execution.cost import Cost, measure
from app.api.execution.executor import AnswerTooLargeError, PlainExecutor, Selections
from app.api.execution.fastlists import RowExecutor
from app.api.execution.inputs import NO_VALUES, Coercers, Variables
from app.api.execution.limits import Limits, check_variables
from app.api.execution.overlaps import bounded_overlaps
from app.api.execution.rules import AllRules
from app.api.execution.structure import (
    check_document,
    check_operation,
    has_text_in_mutations,
    root_fields,
)
from app.api.words.errors import Code, Failure, cause_of
from app.deadlines import within
from app.weighted_cache import WeightedCache

# Strawberry's knows plain values at sight. It is a type guard in all but its signature.
_IS_AWAITABLE: Final = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)
# As many mistakes as a person can read; the rest would be work for an attacker.
EVENT_RETRY_SECONDS: Final = 0.5
"""Pause before an event of a subscription is retried after an outage."""

_MAX_ERRORS: Final = 20
# A document, the name of its operation, and the variables as JSON: Python takes 1 and true for the
# same.
_Key: TypeAlias = tuple[str, str | None, bytes]
_HINTS: Final = (
    (re.compile(r" Did you mean .*\?$", re.DOTALL), ""),
    (re.compile(r"to include required field '\w+'"), "to include every required field"),
    (
        re.compile(r"^Argument '(\S+)\(\w+:\)' of type '\S+' is required"),
        r"An argument of '\1' is required",
    ),
)
"""Parts of messages that would reveal the schema, and their replacements."""
_LONGEST_VARIABLES: Final = 1_000

_READER: Final = ThreadPoolExecutor(1, thread_name_prefix="documents")
"""One thread, started at the first use: each more would take the event loop's turns from it."""


class OperationRefused(Exception):  # noqa: N818  says what happened: nothing, or nothing more, is going to run
    """The operation can't be run, or can't be continued."""

    def __init__(self, *errors: GraphQLError) -> None:
        super().__init__()
        self.errors = errors


@dataclass(slots=True)
class Spent:
    """The processor time that preparing operations took, whether they were refused or not."""

    seconds: float = 0.0


class Pattern(NamedTuple):
    """What the executors of an operation are made from, whatever its variables."""

    executor: PlainExecutor
    variables: Variables | None
    """How to coerce them, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that is valid; `costs` has, by name, those of its operations that ran already."""

    node: DocumentNode
    sha256: str
    costs: dict[str | None, Cost]
    fields: dict[str | None, tuple[str, ...]]
    prepared: set[_Key]
    """Which of its operations are kept ready to run; they are evicted with it."""
    selections: dict[str | None, Selections] = field(default_factory=dict)
    """Of its operations, unless it has directives, which may depend on variables."""
    patterns: dict[str | None, Pattern] = field(default_factory=dict)
    """Of its operations that ran already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation that is ready to run, with its variables, any number of times."""

    executor: PlainExecutor
    document: Document
    kind: OperationType
    name: str | None
    fields: tuple[str, ...]
    """The names of its root fields, which are the schema's words."""
    cost: int
    may_be_kept: bool
    """Whether the document may outlive the request; see `has_text_in_mutations`."""


class Operations:
    """The schema, and the documents that were found valid against it."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        limits: Limits,
        introspection: bool,
        unavailable: tuple[type[BaseException], ...] = (),
        plain: bool = False,
    ) -> None:
        self._schema: GraphQLSchema = schema._schema  # noqa: SLF001  Strawberry has no public name for it
        self._limits = limits
        self._unavailable = unavailable
        self._hide_suggestions = not introspection
        self._rules = (
            *(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule),
            bounded_overlaps(limits.comparisons),
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            *(() if introspection else (NoSchemaIntrospectionCustomRule,)),
        )
        self._executor_class = PlainExecutor if plain else RowExecutor
        self._is_plain = plain
        self._coercers = Coercers(self._schema)
        self._documents: WeightedCache[str, Document] = WeightedCache(
            "documents",
            most_bytes=limits.document_bytes,
            weigh=_weigh_document,
            evicted=self._forget_document,
        )
        self._texts: dict[str, str] = {}  # of the same documents, by their hashes
        # queries, by all that a request says
        self._prepared: WeightedCache[_Key, Operation] = WeightedCache(
            "prepared operations",
            most_bytes=limits.prepared_bytes,
            weigh=_weigh_operation,
            evicted=lambda key, operation: operation.document.prepared.discard(key),
        )
        self._mutations: set[asyncio.Task[ExecutionResult]] = set()

    # ------------------------------------------------------------ before it runs

    def known(self, sha256: str) -> str | None:
        """The document of this hash, where it is among those used last."""
        return self._texts.get(sha256)

    def check(self, text: str) -> None:
        """Raises OperationRefused if the document has no operation, or one that could never run."""
        node = self._parse(text)
        operations = [
            each for each in node.definitions if isinstance(each, OperationDefinitionNode)
        ]
        if not operations:
            _select(node, None)
        try:
            check_document(node, self._limits)
            for operation in operations:
                check_operation(node, operation, self._limits)
                smallest = {
                    each.variable.name.value: 1 for each in operation.variable_definitions or ()
                }
                measure(self._schema, node, operation, smallest, self._limits)
        except Failure as failure:
            raise OperationRefused(failure) from None
        self._validate(node)

    def is_query(self, text: str, operation_name: str | None) -> bool:
        """Whether it is a query of a document that is known."""
        document = self._documents.get(text)
        if document is None:
            return False
        try:
            return _select(document.node, operation_name).operation is OperationType.QUERY
        except OperationRefused:
            return False

    async def read(
        self,
        text: str,
        variables: Mapping[str, object] | None = None,
        operation_name: str | None = None,
        spent: Spent | None = None,
    ) -> Operation:
        """As `prepare`. A document that is not known is prepared on a thread of its own: validating
        a large one takes some 40 ms, in which the event loop would answer nobody.
        """
        if text in self._documents:
            return self.prepare(text, variables, operation_name, spent)
        reading = asyncio.get_running_loop().run_in_executor(
            _READER, copy_context().run, self.prepare, text, variables, operation_name, spent
        )
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # the thread goes on, and the caller is charged for it, connected or not
            await asyncio.wait([reading])
            raise
        finally:
            # A refusal's traceback leads here, so it would keep itself, and with it the request.
            del reading

    def prepare(
        self,
        text: str,
        variables: Mapping[str, object] | None = None,
        operation_name: str | None = None,
        spent: Spent | None = None,
    ) -> Operation:
        """Raises OperationRefused; its errors have a code and are all the caller's.

        Adds the processor time to `spent`, except for a query that is ready. Of a document that is
        known it is the time on the clock: asking the kernel for the thread's takes longer than most
        variables do. A short request is charged for a short time: a garbage collection, or a
        module's first use, may happen to fall into it.
        """
        variables = variables or {}
        key = _key(text, operation_name, variables)
        ready = None if key is None else self._prepared.get(key)
        if ready is not None:
            self._documents.get(text)  # it was used
            return ready
        seconds = perf_counter if text in self._documents else thread_time
        began = seconds()
        try:
            operation = self._prepare(text, variables, operation_name)
        except OperationRefused as refused:
            for error in refused.errors:
                forget_frames(error)
            raise
        finally:
            if spent is not None:
                spent.seconds += min(seconds() - began, _most_seconds(text, key))
        # A query's variables may be kept for a while; a mutation's are personal data.
        if (
            key is not None
            and operation.kind is OperationType.QUERY
            and not self._is_plain
            and text in self._documents
        ):
            operation.document.prepared.add(key)
            self._prepared.put(key, operation)
            if text not in self._documents:  # another thread evicted it just now
                self._prepared.pop(key)
        return operation

    def _prepare(
        self, text: str, variables: Mapping[str, object], operation_name: str | None
    ) -> Operation:
        document = self._documents.get(text)
        if document is not None:
            return self._operation(text, document.node, document, variables, operation_name)
        node = self._parse(text)
        try:
            return self._operation(text, node, None, variables, operation_name)
        finally:
            _unlink_tokens(_first_token(node))

    def _operation(
        self,
        text: str,
        node: DocumentNode,
        document: Document | None,
        variables: Mapping[str, object],
        operation_name: str | None,
    ) -> Operation:
        """Of a document that is known; or of one that was parsed just now."""
        operation = _select(node, operation_name)
        name = operation.name.value if operation.name else None
        try:
            check_variables(variables, self._limits)
            if document is None:
                check_document(node, self._limits)
            cost = self._cost(
                node, operation, variables, {} if document is None else document.costs
            )
        except Failure as failure:
            raise OperationRefused(failure) from None
        if document is None:
            self._validate(node)
            document = Document(
                node=node,
                sha256=sha256(text.encode()).hexdigest(),
                costs={},
                fields={},
                prepared=set(),
            )
            may_be_kept = not has_text_in_mutations(node)
            if may_be_kept:
                self._remember(text, document)
        else:
            may_be_kept = True
        document.costs[name] = cost
        if name not in document.fields:
            document.fields[name] = root_fields(node, operation)
        executor = self._executor(document, operation, variables)
        if "@" not in text:
            executor.share(document.selections.setdefault(name, Selections()))
        return Operation(
            executor=executor,
            document=document,
            kind=operation.operation,
            name=name,
            fields=document.fields[name],
            cost=cost.fields,
            may_be_kept=may_be_kept,
        )

    def _executor(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, object],
    ) -> PlainExecutor:
        """With these variables. The library makes the first one of an operation, and says what is
        wrong with variables.
        """
        name = operation.name.value if operation.name else None
        pattern = document.patterns.get(name)
        if pattern is not None and pattern.variables is not None:
            values = pattern.variables.values(variables)
            if values is not None:
                return pattern.executor.with_variables(values)
        executor = self._executor_class.build(
            self._schema,
            document.node,
            raw_variable_values=dict(variables),
            operation_name=name,
            max_coercion_errors=_MAX_ERRORS,
            is_awaitable=_IS_AWAITABLE,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(executor, list):
            for error in executor:
                forget_frames(error)
            raise OperationRefused(*self._input_errors(operation, variables, executor))
        assert isinstance(executor, PlainExecutor)  # noqa: S101  for the type checker: the library says less
        if pattern is None and not self._is_plain:
            document.patterns[name] = Pattern(
                executor.with_variables(NO_VALUES), self._coercers.of(operation)
            )
        return executor

    def _parse(self, text: str) -> DocumentNode:
        source = Source(text)
        lexer = Lexer(source)
        first = lexer.token
        try:
            parser = Parser(
                source,
                lexer=lexer,
                max_lexical_tokens=self._limits.tokens,
                max_comments=self._limits.tokens,
                max_source_length=self._limits.document_characters,
                allow_empty_selection_sets=False,
            )
            try:
                return parser.parse_document()
            except RecursionError:
                raise nested_too_deeply_error(parser) from None
        except GraphQLSyntaxError as error:
            _unlink_tokens(first)
            # The parser says so when it gives up for the size or the depth of a document, not for a
            # mistake in it.
            gave_up = error.message.endswith("Parsing aborted.")
            code = Code.QUERY_TOO_COMPLEX if gave_up else Code.GRAPHQL_PARSE_FAILED
            raise OperationRefused(_with_code(error, code)) from None

    def _validate(self, node: DocumentNode) -> None:
        try:
            with closing(AllRules(self._rules)) as rules:
                errors = validate(
                    self._schema,
                    node,
                    [rules],  # type: ignore[list-item]  # the library only calls it
                    max_errors=_MAX_ERRORS,
                    hide_suggestions=self._hide_suggestions,
                )
        except Failure as failure:
            raise OperationRefused(failure) from None
        if errors:
            raise OperationRefused(
                *(
                    _with_code(self._without_hint(error), Code.GRAPHQL_VALIDATION_FAILED)
                    for error in errors
                )
            )

    def _without_hint(self, error: GraphQLError) -> GraphQLError:
        """The error; where suggestions are off, without those that the library makes all the same,
        and without the names of what is missing.
        """
        if self._hide_suggestions:
            for pattern, instead in _HINTS:
                error.message = pattern.sub(instead, error.message)
        return error

    def _cost(
        self,
        node: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, object],
        known: Mapping[str | None, Cost],
    ) -> Cost:
        """Reckoned once for each operation of a document, but for those that depend on variables.
        Raises TooComplex.
        """
        cost = known.get(operation.name.value if operation.name else None)
        if cost is None:
            check_operation(node, operation, self._limits)
        elif not cost.sizes:
            return cost
        return measure(self._schema, node, operation, variables, self._limits)

    def _remember(self, text: str, document: Document) -> None:
        _unlink_tokens(_first_token(document.node))
        self._texts[document.sha256] = text
        self._documents.put(text, document)

    def _forget_document(self, _text: str, document: Document) -> None:
        """What was prepared of a document would keep all of it alive."""
        self._texts.pop(document.sha256, None)
        for key in list(document.prepared):
            self._prepared.pop(key)
        document.prepared.clear()

    def _input_errors(
        self,
        operation: OperationDefinitionNode,
        variables: Mapping[str, object],
        found: list[GraphQLError],
    ) -> list[GraphQLError]:
        """What is wrong with the variables, each with its place; `found` is what the executor said,
        without places.
        """
        errors: list[GraphQLError] = []
        for definition in operation.variable_definitions or ():
            name = definition.variable.name.value
            signature = get_variable_signature(self._schema, definition)
            if isinstance(signature, GraphQLError) or (
                name not in variables and definition.default_value is not None
            ):
                continue

            def refuse(error: GraphQLError, path: list[str | int], name: str = name) -> None:
                forget_frames(error)
                place = ".".join(map(str, (name, *path)))
                code = {"code": str(Code.BAD_USER_INPUT), "field": place}
                message = f"Variable '${name}' has an invalid value at '{place}': {error.message}"
                named = GraphQLError(message, definition, extensions=code)  # noqa: B023  called within this turn
                errors.append(self._without_hint(named))

            value = variables.get(name, Undefined)
            if value is Undefined and not is_non_null_type(signature.type):
                continue
            validate_input_value(value, signature.type, refuse, self._hide_suggestions)
        return errors[:_MAX_ERRORS] or [_with_code(error, Code.BAD_USER_INPUT) for error in found]

    # ------------------------------------------------------------ while it runs

    async def run(self, operation: Operation, context: object) -> ExecutionResult:
        """A query's or mutation's result, field errors included. Raises TimeoutError after
        `operation_seconds`.

        A mutation that has begun continues when its caller has left or its time is over: it may
        have been committed, and then its changes must be published.
        """
        executor = operation.executor.again(context, self._limits.answer_bytes)
        seconds = self._limits.operation_seconds
        if operation.kind is not OperationType.MUTATION:
            return await within(seconds, self._execute(executor))
        async with asyncio.timeout(seconds):
            task = asyncio.create_task(self._execute(executor))
            self._mutations.add(task)
            task.add_done_callback(self._mutations.discard)
            return await asyncio.shield(task)

    async def _execute(self, executor: PlainExecutor) -> ExecutionResult:
        try:
            result = execute_root_selection_set(executor)
            return await result if isawaitable(result) else result
        except AnswerTooLargeError:
            return ExecutionResult(None, [self._too_large()])

    def _too_large(self) -> Failure:
        most = self._limits.answer_bytes
        return Failure(
            Code.ANSWER_TOO_LARGE,
            f"The answer would have more than {most} bytes. Ask for smaller pages, or for less in "
            "each row. A mutation has been carried out all the same.",
            mostBytes=most,
        )

    async def subscribe(
        self, operation: Operation, make_context: Callable[[], object]
    ) -> AsyncGenerator[ExecutionResult, None]:
        """A subscription's results, each run in a context of its own, and again while it meets what
        is unavailable. Raises OperationRefused where none begins.
        """
        source = create_source_event_stream(operation.executor.again(make_context()))
        stream = await source if isawaitable(source) else source
        if isinstance(stream, ExecutionResult):
            raise OperationRefused(*(stream.errors or ()))

        async def execute_event(executor: Executor[Any]) -> ExecutionResult:
            # The source yields a change once: an outage while reading it must not lose it.
            while True:
                own = cast("PlainExecutor", executor).again(
                    make_context(), self._limits.answer_bytes
                )
                try:
                    result = execute_subscription_event(own)
                    answer = await result if isawaitable(result) else result
                except AnswerTooLargeError:
                    return ExecutionResult(None, [self._too_large()])
                if not any(
                    isinstance(cause_of(error), self._unavailable) for error in answer.errors or ()
                ):
                    return answer
                await asyncio.sleep(EVENT_RETRY_SECONDS)

        return map_source_to_response_event(operation.executor, stream, execute_event)

    async def finish(self, seconds: float) -> None:
        """Waits for the running mutations, up to this time; then cancels those that are left."""
        if self._mutations:
            _done, late = await asyncio.wait(set(self._mutations), timeout=seconds)
            for task in late:
                task.cancel()


def _select(node: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [
        definition
        for definition in node.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (name is None or (definition.name is not None and definition.name.value == name))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        message = (
            "The document has no operation of that name."
            if name
            else "The document has no operation."
        )
    else:
        message = (
            "The document has several operations: name each once, and say which in operationName."
        )
    raise OperationRefused(Failure(Code.OPERATION_RESOLUTION_FAILURE, message))


def forget_frames(error: GraphQLError) -> None:
    """Where it was raised is of no interest, and an error that is kept in one of these frames, as
    the library does, would keep itself, and all of the request.
    """
    for each in (error, error.original_error):
        if each is not None:
            each.__traceback__ = each.__context__ = each.__cause__ = None


def _first_token(node: DocumentNode) -> Token | None:
    return None if node.loc is None else node.loc.start_token


def _unlink_tokens(first: Token | None) -> None:
    """Take the tokens of a document out of the list in which each refers to its neighbours.

    `has_text_in_mutations` was the last to read the list, and it is made of cycles. The text of
    what is refused or evicted would stay until a garbage collection; of old objects, there is none
    for hours.
    """
    token = first
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def _key(text: str, operation_name: str | None, variables: Mapping[str, object]) -> _Key | None:
    """A key that is equal for equal requests; None for variables that are not worth keeping."""
    try:
        said = orjson.dumps(variables)
    except orjson.JSONEncodeError:  # it writes less deep than it reads
        return None
    # Copied, since orjson's own result holds on to 4 KiB, however short it is.
    return (text, operation_name, b"%b" % said) if len(said) <= _LONGEST_VARIABLES else None


_SECONDS_PER_CHARACTER: Final = 0.000_05
"""Of a document and its variables: several times what the costliest documents take to prepare."""


def _most_seconds(text: str, key: _Key | None) -> float:
    """What preparing a request can take on account of its size; infinite for large variables."""
    return inf if key is None else _SECONDS_PER_CHARACTER * (len(text) + len(key[2]))


_TOKEN_BYTES: Final = 350
"""Of a token, and its share of the tree: by measurement."""
_DOCUMENT_BYTES: Final = 3_000
_OPERATION_BYTES: Final = 6_000
_SELECTION_BYTES: Final = 150
"""Of the selections that were collected, for each token of the document."""


def _weigh_document(text: str, document: Document) -> int:
    tokens = document.node.token_count
    return _DOCUMENT_BYTES + (_TOKEN_BYTES + _SELECTION_BYTES) * tokens + 2 * len(text)


def _weigh_operation(key: _Key, operation: Operation) -> int:
    """Besides the document, whose weight is counted elsewhere."""
    selections = _SELECTION_BYTES * operation.document.node.token_count
    return _OPERATION_BYTES + selections + 4 * len(key[2])


def _with_code(error: GraphQLError, code: Code) -> GraphQLError:
    error.extensions = {**(error.extensions or {}), "code": str(code)}
    return error
