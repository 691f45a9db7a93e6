"""What relies on graphql-core's internals fails here when they change: see app/api/execution."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

from graphql import parse

from app.api.execution.executor import PlainExecutor
from app.api.execution.fastlists import RowExecutor
from app.api.graph.schema import build_schema

SCHEMA = build_schema()._schema

KNOWN = frozenset(
    {
        "_size",
        "async_helpers",
        "hooks",
        "pending_incremental_futures",
        "_relevant_sub_fields",
        "collected_errors",
        "variable_values",
        "context_value",
        "streams",
        "abort_signal",
        "fragment_definitions",
        "error_propagation",
        "defer_usage_set",
        "hide_suggestions",
        "root_value",
        "fragments",
        "_deferred_execution_plans",
        "background_futures",
        "operation_extensions",
        "_root_fields",
        "_stream_usages",
        "middleware_manager",
        "enable_early_execution",
        "type_resolver",
        "groups",
        "is_async_iterable",
        "tasks",
        "_initial_execution_plans",
        "async_work_finished_hook_task",
        "field_resolver",
        "is_awaitable",
        "schema",
        "_builders",
        "subscribe_field_resolver",
        "operation",
    }
)
ANEW = {
    "_size",
    "async_helpers",
    "pending_incremental_futures",
    "collected_errors",
    "context_value",
    "background_futures",
}


def test_the_libraries_are_pinned_to_one_version() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = tomllib.loads(text)["project"]["dependencies"]
    for name in ("graphql-core", "strawberry-graphql"):
        assert f"{name}=={version(name)}" in dependencies


def test_an_executor_has_the_attributes_that_copies_are_made_of() -> None:
    """`again` copies all of them, but makes new ones of those that belong to one execution."""
    executor = RowExecutor.build(SCHEMA, parse("{ __typename }"))
    assert isinstance(executor, RowExecutor)
    assert sorted(vars(executor)) == sorted(KNOWN)
    own = executor.again("another context")
    assert sorted(vars(own)) == sorted(KNOWN)
    assert {name for name in KNOWN if getattr(own, name) is not getattr(executor, name)} == ANEW


def test_the_plain_executor_overrides_only_what_bounds_an_answer_and_shares_memory() -> None:
    overridden = {
        name for name in vars(PlainExecutor) if hasattr(PlainExecutor.__mro__[1], name)
    } - {
        "__doc__",
        "__module__",
        "__init__",
        "__annotations__",
        "__firstlineno__",
        "__parameters__",
    }
    assert overridden == {
        "complete_leaf_value", "execute_collected_root_fields", "execute_fields",
        "handle_field_error",
    }  # fmt: skip
