"""The plain executor gives the same answers as the fast one: otherwise, comparing them would show
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.settings import Settings
from tests.builders import NOW, Api, a_provider, a_service, an_appointment, running

PROVIDERS: Final = """{ providers(first: 10) { totalCount pageInfo { hasNextPage endCursor } edges { cursor
  node { __typename id name timeZone weeklyHours { weekday start end } services { id name durationMinutes } } } } }"""
AVAILABILITY: Final = """query ($id: ID!, $service: ID) { provider(id: $id) { name
  availability(from: "2026-01-12", to: "2026-01-16", serviceId: $service, timeZone: "Asia/Kolkata") {
    __typename ... on Availability { timeZone days { date slotCount startTimes slots { startsAt endsAt localStart } } } } } }"""
WITH_OBJECTS: Final = """query ($id: ID!) { provider(id: $id) { availability(from: "2026-01-12", to: "2026-01-13") {
  ... on Availability { days { date slots { startsAt provider { id name } } } } } } }"""
NEXT: Final = "query ($id: ID!) { nextAvailableSlots(providerIds: [$id], first: 3) { __typename startsAt provider { name } } }"
APPOINTMENTS: Final = """{ appointments(first: 5) { nodes { id status startsAt endsAt version provider { id name }
  customer { name email } history { __typename version } messages { status } } } }"""
NODES: Final = (
    "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Provider { name } } }"
)
REFUSED: Final = """mutation ($id: ID!) { cancelAppointment(input: {appointmentId: $id, expectedVersion: 99}) {
  __typename ... on UserError { message } } }"""


async def test_both_executors_answer_alike(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    async with (
        running(settings) as fast_app,
        running(replace(settings, plain_executor=True)) as plain_app,
    ):
        fast = await fast_app.api()
        plain_app.clock.set(NOW)
        plain = Api(plain_app.http, plain_app.resources, fast.organization, plain_app.clock)
        one = await a_provider(fast, timeZone="America/New_York")
        other = await a_provider(fast)
        service = await a_service(fast, one)
        booked = await an_appointment(fast, one, "2026-01-13T15:00Z")
        corpus: list[tuple[str, dict[str, object]]] = [
            ("{ viewer { role } __typename }", {}),
            (PROVIDERS, {}),
            (AVAILABILITY, {"id": one["id"], "service": service["id"]}),
            (AVAILABILITY, {"id": other["id"], "service": None}),
            (WITH_OBJECTS, {"id": one["id"]}),
            (NEXT, {"id": one["id"]}),
            (APPOINTMENTS, {}),
            (NODES, {"ids": [one["id"], "nothing", other["id"], booked["appointment"]["id"]]}),
            (REFUSED, {"id": booked["appointment"]["id"]}),
            ("{ provider(id: 1) { name } nothing }", {}),
            ("query ($id: ID!) { provider(id: $id) { name } }", {"id": ["x"]}),
            ('{ provider(id: "x") { name } }', {}),
            ("{ appointments(first: 100000) { nodes { id } } }", {}),
        ]
        for document, variables in corpus:
            for caller in (fast.admin, fast.anonymous):
                for _ in range(2):  # the second answer may come from what is remembered
                    expected = await plain.send(document, caller=caller, **variables)
                    answer = await fast.send(document, caller=caller, **variables)
                    assert _without_ids(answer.body) == _without_ids(expected.body), document
        for document, variables in corpus[:9]:
            assert (await fast.send(document, caller=fast.admin, **variables)).data, document


def _without_ids(body: dict[str, object]) -> dict[str, object]:
    """Masked errors carry an id of their own."""
    errors = body.get("errors")
    assert errors is None or "INTERNAL_SERVER_ERROR" not in str(errors), body
    return body
