"""Every GraphQL document in our pages is one that the server's schema accepts."""

from __future__ import annotations

import re

import pytest
from graphql import (
    GraphQLSchema,
    NoUnusedFragmentsRule,
    build_schema,
    parse,
    specified_rules,
    validate,
)

from app.api.graph.schema import build_schema as program_schema
from app.web.pages import STATIC

LITERAL = re.compile(
    r"`((?:\s*#[^\n]*\n)*\s*(?:query|mutation|subscription|fragment)\b.*?)`", re.DOTALL
)
PART = re.compile(
    r"^(?:export )?const (\w+) =\s+`([^`]*)`;$|^const (\w+) = \"([^\"\n]*)\";$", re.MULTILINE
)
DESK = [f"desk/{path.name}" for path in sorted((STATIC / "desk").glob("*.js"))]
RULES = [rule for rule in specified_rules if rule is not NoUnusedFragmentsRule]


def _documents(name: str) -> dict[str, str]:
    """The operations in a script by name, each with all fragments that the script has, or the
    desk's scripts have together.
    """
    literals = _literals(name)
    scripts = DESK if name in DESK else [name]
    everything = [literal for script in scripts for literal in _literals(script)]
    fragments = "\n".join(one for one in everything if one.lstrip().startswith("fragment"))
    operations = [one for one in literals if not one.lstrip().startswith("fragment")]
    return {_title(one): f"{one}\n{fragments}" for one in operations}


def _literals(name: str) -> list[str]:
    """The documents of a script, with its own constants filled in where they stand."""
    code = (STATIC / name).read_text()
    parts = {one or other: text or line for one, text, other, line in PART.findall(code)}
    for _ in range(3):  # as deep as they are nested
        code = re.sub(r"\$\{(\w+)\}", lambda found: parts.get(found[1], found[0]), code)
    return [one for one in LITERAL.findall(code) if "${" not in one]


def _title(operation: str) -> str:
    found = re.search(r"^\s*(?:query|mutation|subscription)\s*(\w*)", operation, re.MULTILINE)
    return (found and found[1]) or operation.strip()[:40]


CASES = [
    pytest.param(name, document, id=f"{name}:{title}")
    for name in (
        *("examples.js", "graphiql.js", "booking.js", "free-times.js", "manage.js"),
        *DESK,
    )
    for title, document in _documents(name).items()
]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(program_schema().as_str())


def test_the_documents_are_found() -> None:
    assert len(CASES) >= 34


@pytest.mark.parametrize(("name", "document"), CASES)
def test_a_document_of_our_pages_is_valid(schema: GraphQLSchema, name: str, document: str) -> None:
    """The booking page is served once the server can hold a time, live examples once it has
    something live.
    """
    offered = {
        field
        for root in (schema.mutation_type, schema.subscription_type)
        if root
        for field in root.fields
    }
    if name in {"booking.js", "manage.js"} and "holdSlot" not in offered:
        pytest.skip("the schema has no holds, so the booking page is not served")
    if "availabilityChanges" in document and "availabilityChanges" not in offered:
        pytest.skip("the schema has no live free times, so this is not asked")
    errors = validate(schema, parse(document), RULES)
    assert [error.message for error in errors] == []
