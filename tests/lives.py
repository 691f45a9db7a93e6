"""The life of an appointment in the API's words: verbs that try, and the laws that every database
keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any, Final
from uuid import UUID

from app.store.pool import Pool
from tests.builders import Api, Caller, Json, a_booking, instant, made

_numbers = count(1)

LIFE: Final = """
    fragment Life on Appointment {
        id status startsAt endsAt version notes cancelledAt cancellationReason
        provider { id }
        contact { name email } customer { id }
        cancellationFee { amountMinor currency }
        fee { amountMinor currency }
        cancellationQuote { freeUntil allowed fee { amountMinor currency } }
        customersQuote: cancellationQuote(atCustomersRequest: true) {
            freeUntil allowed fee { amountMinor currency }
        }
        reschedulingQuote { allowed until reason }
    }
"""

_REFUSED: Final = {
    "InvalidInputError": "field",
    "VersionConflictError": "currentVersion",
    "NotCancellableError": "reason",
    "NotReschedulableError": "reason",
    "CancellationFeeNotAcceptedError": "quote { freeUntil allowed fee { amountMinor currency } }",
    "InvalidTransitionError": "from",
    "SlotUnavailableError": "reasons alternatives { startsAt }",
    "HoldExpiredError": "alternatives { startsAt }",
}


def _refusals(*type_names: str) -> str:
    """The fields of every refusal, and the further ones of these types."""
    own = (f"... on {type_name} {{ {_REFUSED[type_name]} }}" for type_name in type_names)
    return " ".join(["... on UserError { code message }", *own])


CANCEL: Final = f"""
    mutation ($input: CancelAppointmentInput!) {{
        answer: cancelAppointment(input: $input) {{
            __typename ...Life
            {_refusals("InvalidInputError", "VersionConflictError", "NotCancellableError", "CancellationFeeNotAcceptedError")}
        }}
    }} {LIFE}
"""
MOVE: Final = f"""
    mutation ($input: RescheduleAppointmentInput!) {{
        answer: rescheduleAppointment(input: $input) {{
            __typename ... on BookingConfirmation {{ manageToken appointment {{ ...Life }} }}
            {_refusals("InvalidInputError", "VersionConflictError", "NotReschedulableError", "SlotUnavailableError")}
        }}
    }} {LIFE}
"""
COMPLETE: Final = f"""
    mutation ($input: CompleteAppointmentInput!) {{
        answer: completeAppointment(input: $input) {{
            __typename ...Life {_refusals("VersionConflictError", "InvalidTransitionError")}
        }}
    }} {LIFE}
"""
NO_SHOW: Final = f"""
    mutation ($input: MarkNoShowInput!) {{
        answer: markNoShow(input: $input) {{
            __typename ...Life {_refusals("VersionConflictError", "InvalidTransitionError")}
        }}
    }} {LIFE}
"""
HOLD_FIELDS: Final = "... on Hold { id holdToken startsAt endsAt expiresAt provider { id } }"
HOLD: Final = f"""
    mutation ($input: HoldSlotInput!) {{
        answer: holdSlot(input: $input) {{
            __typename {HOLD_FIELDS} {_refusals("InvalidInputError", "SlotUnavailableError")}
        }}
    }}
"""
RELEASE: Final = f"""
    mutation ($input: ReleaseHoldInput!) {{ answer: releaseHold(input: $input) {{ __typename {HOLD_FIELDS} {_refusals()} }} }}
"""
BOOK: Final = f"""
    mutation ($input: BookAppointmentInput!) {{
        answer: bookAppointment(input: $input) {{
            __typename ... on BookingConfirmation {{ manageToken appointment {{ ...Life }} }}
            {_refusals("InvalidInputError", "SlotUnavailableError", "HoldExpiredError")}
        }}
    }} {LIFE}
"""
APPOINTMENT: Final = f"""
    query ($id: ID!, $manageToken: String) {{ appointment(id: $id, manageToken: $manageToken) {{ ...Life }} }} {LIFE}
"""
HISTORY: Final = """
    query ($id: ID!, $manageToken: String) {
        appointment(id: $id, manageToken: $manageToken) {
            history {
                version kind occurredAt actor actorSubject fromStatus toStatus fromStartsAt toStartsAt reason
            }
        }
    }
"""


def new_key() -> str:
    return f"life-{next(_numbers)}"


async def _try(api: Api, document: str, caller: Caller | None, values: Json) -> Json:
    answer: Json = (await api.ask(document, caller=caller, input=values))["answer"]
    return answer


def _opened(booked: Json, caller: Caller | None, values: Json) -> Json:
    """The appointment's id; and its manage token, where nobody else is said to call."""
    token = {} if caller is not None else {"manageToken": booked["manageToken"]}
    return {"appointmentId": booked["appointment"]["id"], **token, **values}


async def try_booking(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """Book; the answer of any type, with everything that the tests of appointments read."""
    return await _try(api, BOOK, caller, a_booking(provider, starts_at, **values))


async def booked(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """A booking that succeeds: its confirmation."""
    return made(
        await try_booking(api, provider, starts_at, caller=caller, **values), "BookingConfirmation"
    )


async def cancel(api: Api, booked: Json, *, caller: Caller | None = None, **values: object) -> Json:
    """Cancel with the manage token, or as this caller; the answer, of any type."""
    return await _try(api, CANCEL, caller, _opened(booked, caller, values))


async def move(
    api: Api,
    booked: Json,
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """Move with the manage token, or as this caller; the answer, of any type."""
    asked = {"startsAt": instant(starts_at).isoformat(), "idempotencyKey": new_key(), **values}
    return await _try(api, MOVE, caller, _opened(booked, caller, asked))


async def complete(
    api: Api, booked: Json, *, caller: Caller | None = None, **values: object
) -> Json:
    """Complete, as an administrator or this caller."""
    return await _try(
        api, COMPLETE, caller or api.admin, {"appointmentId": booked["appointment"]["id"], **values}
    )


async def no_show(
    api: Api, booked: Json, *, caller: Caller | None = None, **values: object
) -> Json:
    """Say that nobody came, as an administrator or this caller."""
    return await _try(
        api, NO_SHOW, caller or api.admin, {"appointmentId": booked["appointment"]["id"], **values}
    )


async def hold(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """Hold a time; the answer, of any type."""
    asked = {
        "providerId": provider["id"],
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": new_key(),
    }
    return await _try(api, HOLD, caller, asked | values)


async def held(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """A hold that succeeds."""
    return made(await hold(api, provider, starts_at, caller=caller, **values), "Hold")


async def release(api: Api, token: str, *, caller: Caller | None = None) -> Json:
    """Release a hold; the answer, of any type."""
    return await _try(api, RELEASE, caller, {"holdToken": token})


async def seen(api: Api, booked: Json, *, caller: Caller | None = None) -> Json | None:
    """The appointment as its manage token, or this caller, sees it."""
    token = {} if caller is not None else {"manageToken": booked["manageToken"]}
    answer = await api.ask(APPOINTMENT, caller=caller, id=booked["appointment"]["id"], **token)
    found: Json | None = answer["appointment"]
    return found


async def history(api: Api, booked: Json, *, caller: Caller | None = None) -> list[Json]:
    """The appointment now, as an administrator or this caller sees it."""
    answer = await api.ask(HISTORY, caller=caller or api.admin, id=booked["appointment"]["id"])
    found: list[Json] = answer["appointment"]["history"]
    return found


# ---------------------------------------------------------------- what always holds

_LAWS_OF_CLAIMS: Final = {
    # Of claims in the order of their beginnings, some overlap if, and only if, two neighbours do.
    "active claims of a unit overlap": """
        SELECT id
        FROM (
            SELECT id, lower(during) AS begins,
                lag(upper(during)) OVER (PARTITION BY subject_id, unit ORDER BY lower(during)) AS last_ends
            FROM claim
            WHERE organization_id = $1 AND active
        ) AS row_of_claims
        WHERE begins < last_ends
    """,
    "an appointment has not exactly the time that it should": """
        SELECT appointment.id, appointment.status, count(claim.id) AS claims
        FROM appointment
        LEFT JOIN claim ON claim.organization_id = appointment.organization_id
            AND claim.appointment_id = appointment.id AND claim.active
        WHERE appointment.organization_id = $1
        GROUP BY appointment.organization_id, appointment.id
        HAVING count(claim.id) <> CASE
            WHEN appointment.status = 'CANCELLED' OR appointment.session_id IS NOT NULL THEN 0
            WHEN appointment.provider_ids IS NULL THEN 1
            ELSE (
                SELECT count(*)
                FROM appointment_subject AS taken
                WHERE taken.organization_id = $1 AND taken.appointment_id = appointment.id
            )
        END
    """,
    "an appointment's claim is for another time": """
        SELECT appointment.id
        FROM appointment
        JOIN claim ON claim.organization_id = appointment.organization_id
            AND claim.appointment_id = appointment.id AND claim.active
        WHERE appointment.organization_id = $1
            AND (
                claim.visit <> tstzrange(appointment.starts_at, appointment.ends_at)
                OR CASE
                    WHEN appointment.provider_ids IS NULL
                    THEN claim.subject_id <> appointment.provider_id OR claim.provider_id <> claim.subject_id
                    ELSE NOT EXISTS (
                        SELECT
                        FROM appointment_subject AS taken
                        WHERE taken.organization_id = $1 AND taken.appointment_id = appointment.id
                            AND taken.subject_id = claim.subject_id AND taken.unit = claim.unit
                            AND (claim.provider_id IS NULL) = (claim.subject_id <> ALL (appointment.provider_ids))
                    )
                END
            )
    """,
    "an appointment's row and its subjects say different things": """
        SELECT appointment.id
        FROM appointment
        LEFT JOIN appointment_subject AS taken
            ON taken.organization_id = $1 AND taken.appointment_id = appointment.id
        WHERE appointment.organization_id = $1
        GROUP BY appointment.organization_id, appointment.id
        HAVING CASE
            WHEN appointment.provider_ids IS NULL THEN count(taken.subject_id) > 0
            ELSE appointment.provider_ids <> coalesce(
                    array_agg(taken.subject_id ORDER BY taken.position)
                        FILTER (WHERE taken.position <= cardinality(appointment.provider_ids)), '{}')
                OR appointment.resource_ids <> coalesce(
                    (
                        SELECT array_agg(each.subject_id ORDER BY each.position)
                        FROM (
                            SELECT subject_id, min(position) AS position
                            FROM appointment_subject
                            WHERE organization_id = $1 AND appointment_id = appointment.id
                                AND appointment_subject.position > cardinality(appointment.provider_ids)
                            GROUP BY subject_id
                        ) AS each
                    ), '{}')
                OR appointment.named <> count(*) FILTER (WHERE taken.is_named)
                OR bool_or(taken.is_named <> (taken.position <= appointment.named))
                OR bool_or(taken.starts_at <> appointment.starts_at)
        END
    """,
    "a hold that is over has time": """
        SELECT hold.id
        FROM hold
        JOIN claim ON claim.organization_id = hold.organization_id AND claim.hold_id = hold.id AND claim.active
        WHERE hold.organization_id = $1 AND hold.ended_at IS NOT NULL
    """,
    "a seat is given twice": """
        SELECT session_id, number
        FROM seat
        WHERE organization_id = $1 AND active
        GROUP BY session_id, number
        HAVING count(*) > 1
    """,
    "an appointment has not exactly its seats": """
        SELECT appointment.id, appointment.seats, appointment.status, count(seat.id) AS has
        FROM appointment
        LEFT JOIN seat ON seat.organization_id = $1 AND seat.appointment_id = appointment.id AND seat.active
        WHERE appointment.organization_id = $1
        GROUP BY appointment.organization_id, appointment.id
        HAVING bool_or(seat.session_id <> appointment.session_id) OR count(seat.id) <> CASE
            WHEN appointment.status = 'CANCELLED' OR appointment.session_id IS NULL THEN 0
            ELSE appointment.seats
        END
    """,
    "an appointment's session has not the time that the appointment shows": """
        SELECT appointment.id
        FROM appointment
        LEFT JOIN claim
            ON claim.organization_id = $1 AND claim.session_id = appointment.session_id AND claim.active
            AND claim.expires_at IS NULL AND claim.visit = tstzrange(appointment.starts_at, appointment.ends_at)
            AND CASE
                WHEN appointment.provider_ids IS NULL THEN claim.subject_id = appointment.provider_id
                ELSE EXISTS (
                    SELECT
                    FROM appointment_subject AS taken
                    WHERE taken.organization_id = $1 AND taken.appointment_id = appointment.id
                        AND taken.subject_id = claim.subject_id AND taken.unit = claim.unit
                )
            END
        WHERE appointment.organization_id = $1 AND appointment.session_id IS NOT NULL
            AND appointment.status <> 'CANCELLED'
        GROUP BY appointment.organization_id, appointment.id
        HAVING count(claim.id) <> CASE
            WHEN appointment.provider_ids IS NULL THEN 1
            ELSE (
                SELECT count(*)
                FROM appointment_subject AS taken
                WHERE taken.organization_id = $1 AND taken.appointment_id = appointment.id
            )
        END
    """,
    "a session stands without seats, or has some after its end": """
        SELECT session.id, session.ended_at
        FROM session
        WHERE session.organization_id = $1 AND (session.ended_at IS NULL) <> EXISTS (
            SELECT FROM seat WHERE seat.organization_id = $1 AND seat.session_id = session.id AND seat.active
        )
    """,
    "a session has time after its end": """
        SELECT session.id
        FROM session
        JOIN claim ON claim.organization_id = $1 AND claim.session_id = session.id AND claim.active
        WHERE session.organization_id = $1 AND session.ended_at IS NOT NULL
    """,
    "a session's time does not last as long as its seats": """
        SELECT session.id, claim.expires_at
        FROM session
        JOIN claim ON claim.organization_id = $1 AND claim.session_id = session.id AND claim.active
        WHERE session.organization_id = $1 AND claim.expires_at IS DISTINCT FROM (
            SELECT CASE WHEN NOT bool_or(seat.expires_at IS NULL) THEN max(seat.expires_at) END
            FROM seat
            WHERE seat.organization_id = $1 AND seat.session_id = session.id AND seat.active
        )
    """,
    "a hold that is over has seats": """
        SELECT hold.id
        FROM hold
        JOIN seat ON seat.organization_id = $1 AND seat.hold_id = hold.id AND seat.active
        WHERE hold.organization_id = $1 AND hold.ended_at IS NOT NULL AND hold.ended_at < hold.expires_at
    """,
}

_LAWS_OF_HOLDS: Final = {
    "a hold that stands has not exactly the time that it shows": """
        SELECT hold.id
        FROM hold
        LEFT JOIN claim ON claim.organization_id = hold.organization_id AND claim.hold_id = hold.id AND claim.active
        WHERE hold.organization_id = $1 AND hold.ended_at IS NULL AND hold.expires_at > $2 AND hold.session_id IS NULL
        GROUP BY hold.organization_id, hold.id
        HAVING bool_and(claim.visit = tstzrange(hold.starts_at, hold.ends_at)) IS NOT TRUE
            OR bool_and(claim.expires_at = hold.expires_at) IS NOT TRUE
            OR count(claim.provider_id) <> cardinality(coalesce(hold.provider_ids, ARRAY[hold.provider_id]))
            OR array_agg(DISTINCT claim.subject_id ORDER BY claim.subject_id) <> ARRAY(
                SELECT each
                FROM unnest(coalesce(hold.provider_ids, ARRAY[hold.provider_id])
                    || coalesce(hold.resource_ids, '{}')) AS each
                ORDER BY each
            )
    """,
    "a hold that stands has not exactly the seats that it shows": """
        SELECT hold.id
        FROM hold
        LEFT JOIN seat ON seat.organization_id = hold.organization_id AND seat.hold_id = hold.id AND seat.active
        WHERE hold.organization_id = $1 AND hold.ended_at IS NULL AND hold.expires_at > $2
        GROUP BY hold.organization_id, hold.id
        HAVING count(seat.id) <> CASE WHEN hold.session_id IS NULL THEN 0 ELSE hold.seats END
            OR bool_or(seat.session_id <> hold.session_id OR seat.expires_at <> hold.expires_at)
    """,
}

_LAWS: Final = {
    **_LAWS_OF_CLAIMS,
    "a version without its entry, or an entry without its version": """
        SELECT appointment.id, appointment.version, count(entry.version) AS entries
        FROM appointment
        LEFT JOIN appointment_history AS entry ON entry.organization_id = appointment.organization_id
            AND entry.appointment_id = appointment.id AND entry.version BETWEEN 1 AND appointment.version
        WHERE appointment.organization_id = $1
        GROUP BY appointment.organization_id, appointment.id
        HAVING count(entry.version) <> appointment.version
    """,
    "an entry of the history without its one event, or an event without its entry": """
        SELECT coalesce(entry.appointment_id, happened.subject_id) AS appointment_id, entry.version,
            happened.version AS event_version, count(*) AS found
        FROM (SELECT * FROM appointment_history WHERE organization_id = $1) AS entry
        FULL JOIN (SELECT * FROM event WHERE organization_id = $1 AND type LIKE 'APPOINTMENT%') AS happened
            ON happened.subject_id = entry.appointment_id AND happened.version = entry.version
            AND happened.type = 'APPOINTMENT_' || entry.kind AND happened.actor = entry.actor
            AND happened.occurred_at = entry.occurred_at
        GROUP BY 1, 2, 3
        HAVING count(*) <> 1 OR bool_or(entry.version IS NULL) OR bool_or(happened.version IS NULL)
    """,
    "an entry begins elsewhere than the one before it ended": """
        SELECT *
        FROM (
            SELECT entry.*,
                lag(version) OVER earlier AS last_version,
                lag(to_status) OVER earlier AS last_status,
                lag(to_starts_at) OVER earlier AS last_start,
                lag(occurred_at) OVER earlier AS last_time
            FROM appointment_history AS entry
            WHERE organization_id = $1
            WINDOW earlier AS (PARTITION BY appointment_id ORDER BY version)
        ) AS chain
        WHERE version <> coalesce(last_version, 0) + 1
            OR from_status IS DISTINCT FROM last_status
            OR from_starts_at IS DISTINCT FROM last_start
            OR occurred_at < last_time
            OR from_status = 'CANCELLED'
    """,
    "the last entry says something else than the appointment": """
        SELECT appointment.id
        FROM appointment
        JOIN appointment_history AS entry ON entry.organization_id = appointment.organization_id
            AND entry.appointment_id = appointment.id AND entry.version = appointment.version
        WHERE appointment.organization_id = $1
            AND (entry.to_status <> appointment.status OR entry.to_starts_at <> appointment.starts_at)
    """,
    "the time version does not count the moves": """
        SELECT appointment.id
        FROM appointment
        WHERE appointment.organization_id = $1
            AND time_version <> 1 + (
                SELECT count(*)
                FROM (
                    SELECT *, CASE WHEN version = appointment.version THEN appointment.session_id
                            ELSE lead(from_session_id) OVER (ORDER BY version) END AS to_session_id
                    FROM appointment_history
                    WHERE organization_id = appointment.organization_id AND appointment_id = appointment.id
                ) AS entry
                WHERE entry.from_status IS NOT NULL
                    AND (
                        entry.from_starts_at <> entry.to_starts_at OR entry.from_provider_ids IS NOT NULL
                        OR entry.from_seats IS NOT NULL OR entry.from_session_id IS DISTINCT FROM entry.to_session_id
                    )
            )
    """,
}


async def broken_laws(
    pool: Pool, organization_id: UUID, *, now: datetime | None = None
) -> dict[str, list[Json]]:
    """The laws that this organization's rows break, with the rows; nothing where all is well. With
    `now`, also those of holds that stand at this instant.
    """
    found = await _broken(_LAWS, pool, organization_id)
    return (
        found if now is None else found | await _broken(_LAWS_OF_HOLDS, pool, organization_id, now)
    )


async def broken_claims(pool: Pool, organization_id: UUID) -> dict[str, list[Json]]:
    """The same for what the organization's appointments and holds have taken."""
    return await _broken(_LAWS_OF_CLAIMS, pool, organization_id)


async def _broken(laws: Mapping[str, str], pool: Pool, *arguments: object) -> dict[str, list[Json]]:
    found = {
        law: [dict(row) for row in await pool.fetch(sql, arguments)] for law, sql in laws.items()
    }
    return {law: rows for law, rows in found.items() if rows}
