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
RULES = [rule for rule in specified_rules if rule is not NoUnusedFragmentsRule]


def _documents(name: str) -> dict[str, str]:
    """The operations in a script by name, each with all fragments that the script has."""
    literals = LITERAL.findall((STATIC / name).read_text())
    fragments = "\n".join(one for one in literals if one.lstrip().startswith("fragment"))
    operations = [one for one in literals if not one.lstrip().startswith("fragment")]
    return {_title(one): f"{one}\n{fragments}" for one in operations}


def _title(operation: str) -> str:
    found = re.search(r"^\s*(?:query|mutation|subscription)\s*(\w*)", operation, re.MULTILINE)
    return (found and found[1]) or operation.strip()[:40]


CASES = [
    pytest.param(name, document, id=f"{name}:{title}")
    for name in ("examples.js", "graphiql.js", "booking.js", "calendar.js", "manage.js")
    for title, document in _documents(name).items()
]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(program_schema().as_str())


def test_the_documents_are_found() -> None:
    assert len(CASES) >= 18


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
