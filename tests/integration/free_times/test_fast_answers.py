"""Free times are the same from rows as from objects, for every selection."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

import orjson
import strawberry
from graphql import GraphQLSchema, parse, validate
from graphql.execution import execute_root_selection_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.api.execution.fastlists import RowExecutor
from app.api.graph.schema import (
    Mutation,
    Query,
    build_schema,
)
from app.api.graph.subscriptions import Subscription
from app.api.operation.context import Context
from app.api.words.scalars import SCALARS
from app.core.viewer import Viewer
from tests.builders import Api, a_provider, a_service, an_appointment

SCHEMA = build_schema()._schema
config = StrawberryConfig(scalar_map=SCALARS)
ORDINARY = strawberry.Schema(
    query=Query, mutation=Mutation, subscription=Subscription, config=config
)._schema
"""The same, but for resolvers that are called without what Strawberry puts around them."""

LEAVES_OF_SLOT = ["providerId", "startsAt", "endsAt", "localStart", "localEnd", "__typename"]
names = st.sampled_from(["", "", "a: ", "b: ", "first: "])


@st.composite
def slot_selection(draw: st.DrawFn) -> str:
    fields = draw(st.lists(st.sampled_from(LEAVES_OF_SLOT), min_size=1, max_size=5, unique=True))
    parts = [f"{'' if index else draw(names)}{field}" for index, field in enumerate(fields)]
    if draw(st.integers(0, 3)) == 0:
        parts.append("provider { id name }")
    if draw(st.booleans()):
        parts.append(
            draw(
                st.sampled_from(
                    ["...SlotPart", "... on Slot { endsAt }", "startsAt @include(if: $yes)"]
                )
            )
        )
    if draw(st.booleans()):
        parts.append("endsAt @skip(if: $yes)")
    return " ".join(draw(st.permutations(parts)))


@st.composite
def selections(draw: st.DrawFn) -> str:
    parts = ["__typename"]
    if draw(st.booleans()):
        parts.append(f"{draw(names)}slots {{ {draw(slot_selection())} }}")
    if draw(st.booleans()):
        inner = draw(
            st.lists(
                st.sampled_from(["date", "slotCount", "startTimes", "n: slotCount", "__typename"])
            )
        )
        inner += (
            [f"slots {{ {draw(slot_selection())} }}"] if draw(st.booleans()) or not inner else []
        )
        parts.append(f"days {{ {' '.join(inner)} }}")
    return " ".join(parts)


def document(availability: str, next_slots: str) -> str:
    """Whether `SlotPart` is used or not, it has to be."""
    return f"""
        query ($id: ID!, $zone: TimeZone, $serviceId: ID, $yes: Boolean = true) {{
            provider(id: $id) {{
                availability(from: "2026-01-12", to: "2026-01-14", timeZone: $zone, serviceId: $serviceId) {{
                    ... on Availability {{ {availability} }}
                }}
                next: nextAvailableSlot(timeZone: $zone) {{ ...SlotPart endsAt @skip(if: $yes) }}
            }}
            nextAvailableSlots(providerIds: [$id], first: 5, timeZone: $zone, serviceId: $serviceId) {{ {next_slots} }}
        }}
        fragment SlotPart on Slot {{ startsAt localStart }}
    """


def built(executor: type[Any], schema: GraphQLSchema, text: str, variables: dict[str, Any]) -> Any:  # noqa: ANN401
    node = parse(text)
    assert validate(schema, node) == []
    made = executor.build(schema, node, raw_variable_values=variables)
    assert not isinstance(made, list), made
    return made


async def answer(executor: Any, api: Api) -> Any:  # noqa: ANN401
    executor.context_value = Context(api.resources, Viewer(organization_id=api.organization.id))
    result = execute_root_selection_set(executor)
    found = await result if isawaitable(result) else result
    assert found.errors is None
    # Lists that are remembered are text already: what counts is what goes over the wire.
    return orjson.loads(orjson.dumps(found.data))


async def test_any_selection_is_answered_alike_both_ways(api: Api) -> None:
    # Two with the same slots: what is remembered of the one's must not be shown as the other's.
    providers = [
        await a_provider(api, timeZone="America/New_York", serviceDurationMinutes=45)
        for _ in range(2)
    ]
    service = await a_service(api, providers[0])
    for provider in providers:
        await an_appointment(api, provider, "2026-01-12T14:00Z")
    drawn: list[tuple[str, dict[str, Any]]] = []

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        selections(),
        slot_selection(),
        st.sampled_from([None, "Asia/Kolkata"]),
        st.sampled_from([None, service["id"]]),
    )
    def draw(availability: str, next_slots: str, zone: str | None, service_id: str | None) -> None:
        text = document(availability, next_slots)
        drawn.extend(
            (
                text,
                {
                    "id": provider["id"],
                    "zone": zone,
                    "serviceId": service_id if provider is providers[0] else None,
                },
            )
            for provider in providers
        )

    draw()
    for text, variables in drawn:
        fast = built(RowExecutor, SCHEMA, text, variables)
        ordinary = await answer(
            built(StrawberryGraphQLCoreExecutionContext, ORDINARY, text, variables), api
        )
        assert await answer(fast.again(None), api) == ordinary, text
        assert await answer(fast.again(None), api) == ordinary, (
            f"again, from what is remembered: {text}"
        )
        assert ordinary["nextAvailableSlots"]
