"""The messages between processes over Redis: a channel for each organization, a message for each
commit.

A message names what was touched, never the new state: its receiver reads PostgreSQL. So a message
that is lost, duplicated or late does no harm that another reading would not repair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from app.core.changes import (
    AppointmentChanged,
    AppointmentChangeKind,
    PracticeChanged,
    RulesChanged,
    TimeChanged,
)
from app.core.ids import AppointmentId, CustomerId, OrganizationId, ProviderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.core.changes import Change

# the number is the version of the messages' format; increment it with every change
_CHANNEL = "slotwright:live:3:"


def channel_of(organization_id: OrganizationId) -> str:
    """The channel of an organization's changes. Every process with subscribers of the organization
    listens to it.
    """
    return f"{_CHANNEL}{organization_id.hex}"


def organization_of(channel: bytes) -> OrganizationId:
    """Whose channel this is."""
    return OrganizationId(UUID(channel.decode().removeprefix(_CHANNEL)))


def encode(origin: str, changes: Iterable[Change]) -> bytes:
    """A message; `origin` is the process that sends it. Without changes it says that some could not
    be sent.
    """
    return orjson.dumps([origin, [_packed(change) for change in changes]])


def decode(organization_id: OrganizationId, message: bytes) -> tuple[str, list[Change]]:
    """Its sender and its changes. Raises ValueError for text that is not one of our messages."""
    try:
        origin, packed = orjson.loads(message)
        return origin, [_unpacked(organization_id, each) for each in packed]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("not a message of this format") from error


def _packed(change: Change) -> Sequence[object]:
    match change:
        case TimeChanged():
            return [
                "time",
                change.subject_id.hex,
                change.time_zone,
                change.claimed_from,
                change.claimed_until,
            ]
        case RulesChanged():
            return ["rules", [each.hex for each in change.ids]]
        case AppointmentChanged():
            return [
                "appointment",
                change.appointment_id.hex,
                [each.hex for each in change.provider_ids],
                change.customer_id.hex,
                change.kind,
                change.version,
            ]
        case PracticeChanged():
            return ["practice"]


def _unpacked(organization_id: OrganizationId, packed: list[Any]) -> Change:
    match packed:
        case ["time", provider, str(time_zone), int(claimed_from), int(claimed_until)]:
            return TimeChanged(
                organization_id=organization_id,
                subject_id=ProviderId(UUID(provider)),
                time_zone=time_zone,
                claimed_from=claimed_from,
                claimed_until=claimed_until,
            )
        case ["rules", [*owners]]:
            # Of whichever kind: no two of them share an id.
            return RulesChanged(
                organization_id=organization_id,
                ids=tuple(ProviderId(UUID(owner)) for owner in owners),
            )
        case ["appointment", appointment, [*providers], customer, kind, int(version)]:
            return AppointmentChanged(
                organization_id=organization_id,
                appointment_id=AppointmentId(UUID(appointment)),
                provider_ids=tuple(ProviderId(UUID(provider)) for provider in providers),
                customer_id=CustomerId(UUID(customer)),
                kind=AppointmentChangeKind(kind),
                version=version,
            )
        case ["practice"]:
            return PracticeChanged(organization_id=organization_id)
        case _:
            raise ValueError("not a change of this format")
