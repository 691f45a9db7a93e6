"""Sessions, for the tests of what staff see of them."""

from __future__ import annotations

from uuid import uuid4

from tests.builders import Api, Json, key_in
from tests.visits import node

_BEGIN = """
    INSERT INTO session (organization_id, id, service_id, provider_id, provider_ids, resource_ids, starts_at, ends_at,
        created_at)
    SELECT organization_id, $3, service_id, provider_id, provider_ids, resource_ids, starts_at, ends_at, created_at
    FROM appointment
    WHERE organization_id = $1 AND id = $2
"""
_TAKE = """
    UPDATE claim SET session_id = $3, appointment_id = NULL WHERE organization_id = $1 AND appointment_id = $2
"""
_SIT = """
    UPDATE appointment
    SET session_id = session.id, seats = $4, provider_id = session.provider_id, provider_ids = session.provider_ids,
        resource_ids = session.resource_ids, starts_at = session.starts_at, ends_at = session.ends_at
    FROM session
    WHERE appointment.organization_id = $1 AND appointment.id = $2 AND session.organization_id = $1 AND session.id = $3
"""
_SEATS = """
    INSERT INTO seat (organization_id, id, session_id, number, appointment_id, active)
    SELECT $1, gen_random_uuid(), $3, coalesce(max(seat.number), 0) + given.place, $2, true
    FROM generate_series(1, $4) AS given (place)
    LEFT JOIN seat ON seat.organization_id = $1 AND seat.session_id = $3
    GROUP BY given.place
"""


async def in_a_session(api: Api, booked: Json, *others: Json, seats: int = 1) -> str:
    """The first of these appointments becomes a session, in which all of them have so many seats;
    its id.
    """
    session_id = uuid4()
    organization_id = api.organization.id
    first = key_in(booked["appointment"]["id"])
    await api.rows(_BEGIN, organization_id, first, session_id)
    await api.rows(_TAKE, organization_id, first, session_id)
    for each in (booked, *others):
        key = key_in(each["appointment"]["id"])
        await api.rows(
            "DELETE FROM claim WHERE organization_id = $1 AND appointment_id = $2",
            organization_id,
            key,
        )
        await api.rows(_SIT, organization_id, key, session_id, seats)
        await api.rows(_SEATS, organization_id, key, session_id, seats)
    return node("Session", session_id)
