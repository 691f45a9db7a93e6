"""The hashes of idempotent requests: they outlive an upgrade, so a retry after it finds what the
program before it stored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID

import pytest

from app.core.appointment import Contact
from app.core.booking import BookingWish, Wanted
from app.core.ids import AppointmentId, HoldId, OrganizationId, ProviderId, ServiceId
from app.core.messages import Channel
from app.identity.keyed_hashes import KeyedHashes
from app.store.idempotency import KeyScope
from app.usecases.booking import book_appointment, hold_slot, reschedule_appointment
from app.usecases.booking.hold_slot import HoldForm
from app.usecases.booking.idempotency import request_key
from app.usecases.booking.reschedule_appointment import MoveForm

ADA, BEN = ProviderId(UUID(int=2)), ProviderId(UUID(int=7))
CUT: Final = ServiceId(UUID(int=3))
NINE: Final = datetime(2026, 1, 12, 9, tzinfo=UTC)
SCOPE: Final = KeyScope(
    organization_id=OrganizationId(UUID(int=1)), mutation="m", caller="c", key="k"
)
RESOURCES: Final = cast(
    "Any", SimpleNamespace(hashes=KeyedHashes(b"a secret of the tests of at least 32 bytes"))
)


def hashed(request: dict[str, object]) -> str:
    return request_key(RESOURCES, SCOPE, request).request_hash.hex()


def a_booking(*named: ProviderId) -> BookingWish:
    return BookingWish(
        wanted=Wanted(named, CUT),
        starts_at=NINE,
        duration_minutes=30,
        contact=Contact(
            name="Noor",
            email="noor@example.com",
            phone=None,
            locale="de-AT",
            channels=(Channel.EMAIL, Channel.SMS),
        ),
        customer_time_zone="Europe/Berlin",
        notes="by the window",
    )


def with_a_hold() -> BookingWish:
    return BookingWish(
        wanted=Wanted((ADA,), None),
        starts_at=NINE,
        duration_minutes=None,
        contact=None,
        customer_time_zone="UTC",
        notes=None,
        hold_id=HoldId(UUID(int=4)),
    )


def a_hold(*named: ProviderId, seats: int = 1) -> dict[str, object]:
    form = HoldForm(
        provider_id=None,
        provider_ids=named,
        service_id=None,
        starts_at=NINE,
        idempotency_key="k",
    )
    return hold_slot._request(form, Wanted(named, None, seats))


def a_move(*named: ProviderId, seats: int | None = None) -> dict[str, object]:
    form = MoveForm(
        appointment_id=AppointmentId(UUID(int=5)),
        starts_at=NINE,
        expected_version=3,
        idempotency_key="k",
        manage_token="t",
        provider_ids=named,
        seats=seats,
    )
    return reschedule_appointment._request(form)


@pytest.mark.parametrize(
    ("request_made", "stored"),
    [
        (
            book_appointment._request(a_booking(ADA)),
            "c3c93b38ecfb48c8a97a16b504d8d7812edbdb6fdcc1fed4d1ca2eeb47187893",
        ),
        (
            book_appointment._request(with_a_hold()),
            "2efe25bd0f0c6e6e968d26ccf07928d0ca5432b7496047aad994a3e06c36e54f",
        ),
        (a_hold(ADA), "c172e54f12a7495ccebcd12df4d1e6a22a1d695b2d5d0a7efef3b3839fb81c80"),
        (a_move(), "18b05c5685e941207c73f931a943814fe1ac53778cd18642f06f764f6283d09d"),
    ],
    ids=["booking", "booking with a hold", "hold", "move"],
)
def test_requests_hash_as_they_did_when_a_wish_named_one_provider(
    request_made: dict[str, object], stored: str
) -> None:
    """The hashes were stored by the program of that time."""
    assert hashed(request_made) == stored


def test_whom_a_wish_names_and_in_which_order_makes_another_request() -> None:
    for make in (lambda *named: book_appointment._request(a_booking(*named)), a_hold, a_move):
        wishes = [make(), make(ADA), make(BEN), make(ADA, BEN), make(BEN, ADA)]
        assert len({hashed(each) for each in wishes}) == len(wishes)


def test_one_seat_is_as_none_given_and_more_make_another_request() -> None:
    """But for a move, which keeps as many as there are unless it says how many."""
    none, one, two, three = (
        hashed(book_appointment._request(replace(a_booking(ADA), seats=seats)))
        for seats in (None, 1, 2, 3)
    )
    assert none == one
    assert len({one, two, three}) == 3
    assert len({hashed(a_hold(ADA, seats=seats)) for seats in (1, 2, 3)}) == 3
    assert len({hashed(a_move(seats=seats)) for seats in (None, 1, 2)}) == 3
