"""Schemathesis, over real HTTP: any document that it makes from the schema gets an answer that the
schema allows.

Where tests/integration/test_security_fuzz.py varies the inputs of documents of ours, here the
documents themselves are made up: selections, arguments, aliases, fragments; valid ones, and ones
with a mistake in them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import hypothesis.strategies as st
import pytest
import schemathesis
import schemathesis.config
from hypothesis import HealthCheck, given, settings
from schemathesis.graphql import nodes

from app.process.asgi import create_app
from app.process.wiring import open_resources
from app.settings import Settings
from tests.builders import Api, Clock, an_organization
from tests.integration.security_world import World, a_world
from tests.integration.test_security_fuzz import INSIDE, OURS
from tests.integration.transport.wire import serving_application
from tests.plain_http import NO_TLS

EXAMPLES: Final = 8 if settings.default is None or settings.default.max_examples <= 100 else 300
"""Of each root field: a sample each time, many with `make test-full`."""

SCHEMA: Final = schemathesis.graphql.from_path(
    Path(__file__).parents[2] / "schema.graphql", config=schemathesis.config.SchemathesisConfig()
)
CALLERS: Final = ("anonymous", "admin", "robin", "ada", "link")
NOT_RUN: Final = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
REFUSED: Final = NOT_RUN | {"BAD_USER_INPUT", "QUERY_TOO_COMPLEX"}


@pytest.fixture
async def address(environment: dict[str, str]) -> AsyncIterator[tuple[str, World]]:
    """Where the application is served, and the world in it."""
    clock, configured = Clock(), Settings.from_environment(environment)
    application = create_app(configured, clock=clock, real_clock=clock)
    async with (
        serving_application(application) as base,
        open_resources(configured, clock=clock, real_clock=clock) as resources,
        httpx.AsyncClient(base_url=base, verify=NO_TLS) as http,
    ):
        yield (
            f"{base}/graphql",
            await a_world(Api(http, resources, await an_organization(resources), clock)),
        )


def register_scalars(world: World) -> None:
    """Values that mean something in this world, and some that mean nothing anywhere."""
    ids = [each for things in world.things.values() for each in things]
    instants = [
        "2026-01-13T10:00:00Z",
        "2026-01-14T09:30:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ]
    texts = [
        "a-key",
        "Kim",
        "kim@example.com",
        "+4930901820",
        "EUR",
        "en",
        world.upcoming["manageToken"],
        "\u202e",
        "",
    ]
    scalars = {
        "DateTime": st.sampled_from(instants),
        "Date": st.sampled_from(
            ["2026-01-13", "2026-01-20", "2026-02-01", "0001-01-01", "9999-12-31"]
        ),
        "LocalTime": st.sampled_from(["00:00", "09:00", "17:00", "24:00"]),
        "LocalDateTime": st.sampled_from(
            ["2026-01-20T09:00", "2026-01-21T17:30", "0001-01-01T00:00", "9999-12-31T23:59"]
        ),
        "TimeZone": st.sampled_from(
            ["UTC", "Europe/Berlin", "America/Los_Angeles", "Mars/Olympus"]
        ),
        "ID": st.one_of(st.sampled_from(ids), st.sampled_from(ids), st.text(max_size=10)),
        "String": st.one_of(st.sampled_from(texts), st.text(max_size=40)),
    }
    for name, strategy in scalars.items():
        schemathesis.graphql.scalar(name, strategy.map(nodes.String))
    numbers = st.one_of(st.integers(1, 3), st.sampled_from([-1, 0, 30, 60, 1_440, 2**31 - 1]))
    schemathesis.graphql.scalar("Int", numbers.map(nodes.Int))


@pytest.mark.parametrize("kind", ["Query", "Mutation"])
async def test_no_document_breaks_a_field_or_brings_the_inside_out(
    kind: str, address: tuple[str, World]
) -> None:
    url, world = address
    register_scalars(world)
    told: Counter[str] = Counter()
    for name in SCHEMA[kind]:
        await asyncio.to_thread(ask_for, kind, name, url, world, told)
    # The documents that were meant to be valid were, and most of them ran.
    meant = told["valid"]
    assert meant >= EXAMPLES * len(SCHEMA[kind]) / 3, told
    assert sum(told[code] for code in NOT_RUN) == 0, told
    assert told["OK"] > meant / 2, told


def ask_for(kind: str, name: str, url: str, world: World, told: Counter[str]) -> None:
    """Each answer is checked, and what became of the valid documents is counted."""
    field = SCHEMA[kind][name]
    valid, broken = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(
        case=st.one_of(
            field.as_strategy(generation_mode=valid), field.as_strategy(generation_mode=broken)
        ),
        caller=st.sampled_from(CALLERS),
    )
    def answered(case: schemathesis.Case[Any], caller: str) -> None:
        headers = {name.decode(): value.decode() for name, value in world.callers[caller].headers}
        response = case.call(base_url=url, headers=headers)
        said = f"{case.body!r}\n{response.status_code} {response.text}"
        assert response.status_code < 500, said
        answer = response.json()
        errors = answer.get("errors", [])
        codes = {error["extensions"]["code"] for error in errors}
        assert not OURS & codes, said
        assert not any(INSIDE.search(error["message"]) for error in errors), said
        assert errors or answer["data"] is not None, said
        if case.meta is not None and case.meta.generation.mode.is_negative:
            assert codes & REFUSED, said
            return
        told["valid"] += 1
        told.update(codes or {"OK"})

    answered()
