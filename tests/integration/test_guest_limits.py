"""How much callers may have open: guests with each provider and from each network, signed-in
customers in all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.edge.proxies import TrustedProxies
from app.core.appointment import Contact
from app.core.booking import BookingWish, Wanted
from app.core.ids import ProviderId
from app.core.viewer import Viewer
from app.settings import LimitSettings, Settings
from app.usecases.booking.limit_guests import limited_booker
from app.usecases.upkeep.purge import purge_tallies
from tests.builders import (
    BOOK,
    NOW,
    Api,
    Json,
    a_booking,
    a_provider,
    an_appointment,
    book,
    running,
    weekly,
)

CANCEL = """
    mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { __typename } }
"""
MOVE = """
    mutation ($input: RescheduleAppointmentInput!) {
        answer: rescheduleAppointment(input: $input) { __typename }
    }
"""
NOOR = {"name": "Noor", "email": "noor@example.com"}


@pytest.fixture
async def limited(environment: dict[str, str]) -> AsyncIterator[Api]:
    """Three for a contact, five from a network (and seven made on a day), four for a
    customer; behind one proxy."""
    limits = LimitSettings(
        guest_bookings_per_contact=3,
        guest_bookings_per_address=5,
        guest_bookings_per_address_per_day=7,
        customer_bookings=4,
        trusted_hops=1,
    )
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        yield await own.api()


async def book_from(
    api: Api, address: str, provider: Json, starts_at: str, **changes: object
) -> Json:
    """A guest's try, through the proxy, from this address; the type of the answer."""
    response = await api.http.post(
        "/graphql",
        content=json.dumps(
            {"query": BOOK, "variables": {"input": a_booking(provider, starts_at, **changes)}}
        ),
        headers=[*api.anonymous.headers, (b"x-forwarded-for", f"6.6.6.6, {address}".encode())],
    )
    answer: Json = response.json()["data"]["answer"]
    return answer


def hours(day: int, count: int) -> list[str]:
    return [f"2026-01-{day:02}T{9 + hour:02}:00Z" for hour in range(count)]


async def test_a_contact_has_so_many_open_in_the_organization_and_no_more(limited: Api) -> None:
    ada, ben = await a_provider(limited), await a_provider(limited)
    booked = [
        await an_appointment(limited, ada, start, customer=NOOR | {"email": email})
        for start, email in zip(
            hours(13, 3), ("noor@example.com", "Noor@Example.com", "NOOR@EXAMPLE.COM"), strict=True
        )
    ]
    # With whomever: a wish may name nobody.
    for provider in (ada, ben):
        refused = await book(limited, provider, "2026-01-14T09:00Z", customer=NOOR)
        assert (refused["__typename"], refused["code"]) == (
            "BookingLimitReachedError",
            "BOOKING_LIMIT_REACHED",
        )
        assert refused["limit"] == 3
        assert refused["message"].startswith("One contact may have at most 3 open bookings.")
    # It is about this contact.
    await an_appointment(limited, ada, "2026-01-14T10:00Z")
    # What is cancelled or over is not open.
    given = {
        "appointmentId": booked[0]["appointment"]["id"],
        "manageToken": booked[0]["manageToken"],
    }
    assert (await limited.ask(CANCEL, input=given))["answer"]["__typename"] == "Appointment"
    await an_appointment(limited, ada, "2026-01-14T09:00Z", customer=NOOR)
    assert (await book(limited, ada, "2026-01-14T11:00Z", customer=NOOR))[
        "__typename"
    ] == "BookingLimitReachedError"
    limited.clock.set("2026-01-13T11:00Z")
    await an_appointment(limited, ada, "2026-01-14T11:00Z", customer=NOOR)


async def test_a_signed_in_customer_has_so_many_open_in_all(limited: Api) -> None:
    """With whomever they are, whatever contact they give; each customer for themselves. What is
    cancelled or over is not open, and a move opens nothing.
    """
    ada, ben = await a_provider(limited), await a_provider(limited)
    robin, noor = limited.customer("robin"), limited.customer("noor")
    booked = [
        await an_appointment(limited, provider, start, caller=robin)
        for provider, start in zip((ada, ben, ada, ben), hours(13, 4), strict=True)
    ]
    for provider in (ada, ben):
        refused = await book(limited, provider, "2026-01-14T09:00Z", caller=robin, customer=NOOR)
        assert refused["__typename"] == "BookingLimitReachedError"
        assert (refused["code"], refused["limit"]) == ("BOOKING_LIMIT_REACHED", 4)
        assert refused["message"].startswith("You may have at most 4 open bookings.")
    await an_appointment(limited, ada, "2026-01-14T09:00Z", caller=noor)
    given = {"appointmentId": booked[0]["appointment"]["id"]}
    moved = await limited.ask(
        MOVE,
        caller=robin,
        input=given | {"startsAt": "2026-01-14T10:00:00Z", "idempotencyKey": "move"},
    )
    assert moved["answer"]["__typename"] == "BookingConfirmation"
    assert (await limited.ask(CANCEL, caller=robin, input=given))["answer"][
        "__typename"
    ] == "Appointment"
    await an_appointment(limited, ada, "2026-01-14T11:00Z", caller=robin)
    assert (await book(limited, ada, "2026-01-14T12:00Z", caller=robin))[
        "__typename"
    ] == "BookingLimitReachedError"
    limited.clock.set("2026-01-13T11:00Z")
    await an_appointment(limited, ada, "2026-01-14T12:00Z", caller=robin)


async def test_of_many_bookings_of_one_customer_at_once_so_many_succeed(limited: Api) -> None:
    """Also of the first ones, before there is a record of them."""
    ada, ben = await a_provider(limited), await a_provider(limited)
    robin = limited.customer("robin")
    answers = await asyncio.gather(
        *(
            book(limited, provider, start, caller=robin)
            for provider in (ada, ben)
            for start in hours(13, 6)
        )
    )
    types = [answer["__typename"] for answer in answers]
    assert (types.count("BookingConfirmation"), types.count("BookingLimitReachedError")) == (4, 8)


async def test_staff_are_not_counted(limited: Api) -> None:
    ada = await a_provider(limited)
    for start in hours(14, 6):
        await an_appointment(limited, ada, start, caller=limited.admin, customer=NOOR)
    for start in hours(15, 6):
        await an_appointment(limited, ada, start, caller=limited.acting_for(ada), customer=NOOR)


async def test_a_network_has_so_many_open_whatever_contacts_it_makes_up(limited: Api) -> None:
    ada = await a_provider(limited)
    for number, start in enumerate(hours(13, 5)):
        answer = await book_from(limited, f"2001:db8:1:2::{number}", ada, start)
        assert answer["__typename"] == "BookingConfirmation"
    refused = await book_from(limited, "2001:db8:1:2:ffff::", ada, "2026-01-14T09:00Z")
    assert (refused["__typename"], refused["limit"]) == ("BookingLimitReachedError", 5)
    assert refused["message"].startswith("One network may have at most 5 open bookings.")
    answer = await book_from(limited, "2001:db8:1:3::1", ada, "2026-01-14T09:00Z")
    assert answer["__typename"] == "BookingConfirmation"


async def test_a_network_makes_so_many_on_a_day_though_it_cancels_them(limited: Api) -> None:
    """What was refused, and what came again under its key, is not counted. The next day begins at
    midnight in UTC, and yesterday is forgotten.
    """
    ada = await a_provider(limited)
    for number, start in enumerate(hours(14, 7)):
        values = {
            "idempotencyKey": f"{number}",
            "customer": NOOR | {"email": f"{number}@x.example"},
        }
        booked, again = [
            await book_from(limited, "192.0.2.7", ada, start, **values) for _try in range(2)
        ]
        assert booked["__typename"] == again["__typename"] == "BookingConfirmation"
        taken = await book_from(limited, "192.0.2.7", ada, start)
        assert taken["__typename"] == "SlotUnavailableError"
        given = {
            "appointmentId": booked["appointment"]["id"],
            "manageToken": booked["manageToken"],
        }
        assert (await limited.ask(CANCEL, input=given))["answer"]["__typename"] == "Appointment"
    refused = await book_from(limited, "192.0.2.7", ada, "2026-01-15T09:00Z")
    assert (refused["__typename"], refused["code"]) == (
        "BookingLimitReachedError",
        "BOOKING_LIMIT_REACHED",
    )
    assert refused["limit"] == 7
    assert refused["message"].startswith("One network may make at most 7 bookings a day.")
    other = await book_from(limited, "192.0.2.8", ada, "2026-01-15T09:00Z")
    assert other["__typename"] == "BookingConfirmation"
    limited.clock.set("2026-01-12T23:59:59Z")
    assert await purge_tallies(limited.resources) == 0
    refused = await book_from(limited, "192.0.2.7", ada, "2026-01-15T10:00Z")
    assert refused["__typename"] == "BookingLimitReachedError"
    limited.clock.set("2026-01-13T00:00:00Z")
    again = await book_from(limited, "192.0.2.7", ada, "2026-01-15T10:00Z")
    assert again["__typename"] == "BookingConfirmation"
    assert await purge_tallies(limited.resources) == 2
    (left,) = await limited.rows("SELECT day::text, what, count FROM network_tally")
    assert left == {"day": "2026-01-13", "what": "BOOKINGS", "count": 1}


async def test_the_address_itself_is_stored_nowhere(limited: Api) -> None:
    ada = await a_provider(limited)
    await book_from(limited, "192.0.2.7", ada, "2026-01-13T09:00Z")
    tables = await limited.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    for name in (row["table_name"] for row in tables):
        kept = await limited.rows(f'SELECT to_jsonb("{name}") AS row FROM "{name}"')
        assert "192.0.2.7" not in str(kept), name
    (row,) = await limited.rows("SELECT guest_origin FROM appointment")
    assert len(row["guest_origin"]) == 16


async def test_of_many_at_once_the_limit_lets_through_so_many(limited: Api) -> None:
    ada = await a_provider(limited, serviceDurationMinutes=15, weeklyHours=weekly("00:00", "24:00"))
    starts = [
        f"2026-01-13T{hour:02}:{minute:02}Z" for hour in range(5) for minute in (0, 15, 30, 45)
    ]
    answers = await asyncio.gather(*(book(limited, ada, start, customer=NOOR) for start in starts))
    types = [answer["__typename"] for answer in answers]
    assert (types.count("BookingConfirmation"), types.count("BookingLimitReachedError")) == (3, 17)


async def test_bookings_by_one_mailbox_wait_for_each_other_however_it_is_spelled(
    limited: Api,
) -> None:
    """PostgreSQL finds one customer for these spellings, so their bookings are counted together."""

    def locked(email: str | None, phone: str | None = None) -> tuple[str, ...]:
        wish = BookingWish(
            wanted=Wanted((ProviderId(UUID(int=1)),), None),
            starts_at=NOW,
            duration_minutes=None,
            contact=Contact(name="Noor", email=email, phone=phone, locale=None),
            customer_time_zone="UTC",
            notes=None,
        )
        guest = Viewer(organization_id=limited.organization.id)
        booker = limited_booker(limited.resources, guest, wish)
        assert booker is not None
        return booker.names

    spellings = ("ΟΔΟΣ@faß.example", "οδοσ@faß.example", "οδοσ@xn--fa-hia.example")
    assert len({locked(each) for each in spellings}) == 1
    assert locked("noor@example.com") != locked("noor@fass.example")
    assert locked(None, "+491701234567") != locked(None, "+491701234568")


async def test_a_retry_is_answered_whatever_the_limit(limited: Api) -> None:
    ada = await a_provider(limited)
    inputs = [a_booking(ada, start, customer=NOOR) for start in hours(13, 3)]
    for _ in range(2):
        for values in inputs:
            answer = (await limited.ask(BOOK, input=values))["answer"]
            assert answer["__typename"] == "BookingConfirmation"


async def test_a_refused_guest_leaves_nothing(limited: Api) -> None:
    ada = await a_provider(limited)
    for start in hours(13, 3):
        await an_appointment(limited, ada, start, customer=NOOR)
    before = [
        await limited.rows(f'SELECT count(*) FROM "{name}"')
        for name in ("claim", "customer", "idempotency_key")
    ]
    await book(limited, ada, "2026-01-14T09:00Z", customer=NOOR)
    after = [
        await limited.rows(f'SELECT count(*) FROM "{name}"')
        for name in ("claim", "customer", "idempotency_key")
    ]
    assert before == after


async def test_without_trusted_hops_nobody_says_where_they_come_from(
    environment: dict[str, str],
) -> None:
    """The header is the caller's own word."""
    limits = LimitSettings(guest_bookings_per_address=2)
    async with running(replace(Settings.from_environment(environment), limits=limits)) as own:
        api = await own.api()
        ada = await a_provider(api)
        types = [
            (await book_from(api, f"192.0.2.{number}", ada, start))["__typename"]
            for number, start in enumerate(hours(13, 3))
        ]
        assert types == ["BookingConfirmation", "BookingConfirmation", "BookingLimitReachedError"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("http", ("192.0.2.7", 0)), ("websocket", ("192.0.2.7", 0)), ("lifespan", None)],
)
async def test_the_address_is_rewritten_for_sockets_too(
    kind: str, expected: tuple[str, int] | None
) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    scope: dict[str, Any] = {"type": kind}
    if kind != "lifespan":
        scope = {
            "type": kind,
            "client": ("10.0.0.1", 443),
            "headers": [(b"x-forwarded-for", b"6.6.6.6, 192.0.2.7")],
        }
    await TrustedProxies(app, hops=1)(scope, receive, send)
    assert seen[0].get("client") == expected
    # the server's own scope is left as it was
    assert scope.get("client") != expected or expected is None
