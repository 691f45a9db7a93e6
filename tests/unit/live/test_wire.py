"""Messages between processes arrive unchanged; a message in another format is refused as a whole."""

from __future__ import annotations

from uuid import UUID

import orjson
import pytest

from app.core.changes import (
    AppointmentChanged,
    AppointmentChangeKind,
    Change,
    PracticeChanged,
    RulesChanged,
    TimeChanged,
)
from app.core.ids import AppointmentId, CustomerId, OrganizationId, ProviderId
from app.live.wire import channel_of, decode, encode, organization_of

PRACTICE = OrganizationId(UUID(int=1))
ADA, BEA = ProviderId(UUID(int=2)), ProviderId(UUID(int=3))
CHANGES: tuple[Change, ...] = (
    TimeChanged(
        organization_id=PRACTICE,
        subject_id=ADA,
        time_zone="Europe/Berlin",
        claimed_from=29_000_000,
        claimed_until=-5,
    ),
    RulesChanged(organization_id=PRACTICE, ids=(ADA, BEA)),
    AppointmentChanged(
        organization_id=PRACTICE,
        appointment_id=AppointmentId(UUID(int=4)),
        provider_ids=(ADA, BEA),
        customer_id=CustomerId(UUID(int=5)),
        kind=AppointmentChangeKind.NO_SHOW,
        version=7,
    ),
    PracticeChanged(organization_id=PRACTICE),
)


def test_every_change_arrives_as_it_was_published() -> None:
    assert decode(PRACTICE, encode("a-process", CHANGES)) == ("a-process", list(CHANGES))


def test_a_channel_names_its_organization() -> None:
    assert organization_of(channel_of(PRACTICE).encode()) == PRACTICE
    assert channel_of(PRACTICE) != channel_of(OrganizationId(UUID(int=9)))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        orjson.dumps(["origin"]),
        orjson.dumps(["origin", [["time", "no-uuid", "UTC", 1, 2]]]),
        orjson.dumps(["origin", [["time", ADA.hex, "UTC", "1", 2]]]),
        orjson.dumps(["origin", [["something", "new"]]]),
        orjson.dumps(["origin", [["appointment", ADA.hex, ADA.hex, ADA.hex, "EATEN", 1]]]),
        orjson.dumps(["origin", [["rules", [7]]]]),
    ],
)
def test_what_is_no_message_of_ours_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(PRACTICE, message)
