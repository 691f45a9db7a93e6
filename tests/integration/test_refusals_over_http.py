"""Every refusal of the schema, as a caller sees it over HTTP: by type, with a code and a sentence
to act on.

The list of refusals is the schema's own, so that a new one without a way to meet it fails here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from app.settings import Settings
from app.usecases.booking.hold_slot import HOLDS_OF_CALLER
from tests.builders import CREATE_PROVIDER, Api, Json, a_provider, running, unknown
from tests.lives import booked, cancel, complete, held, hold, move, new_key, no_show, try_booking

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
FEE = {
    "freeUntilMinutesBefore": 1440,
    "lateCancellation": "FEE",
    "lateFee": {"amountMinor": 2000, "currency": "EUR"},
}

REFUSALS: Final = """{ __type(name: "UserError") { possibleTypes { name } } }"""
FIELDS: Final = "query ($name: String!) { __type(name: $name) { fields { name type { kind } } } }"
UNIONS: Final = "{ __schema { types { kind name possibleTypes { name } } } }"
LISTING: Final = """
    query ($id: ID!, $from: Date!, $to: Date!) {
        provider(id: $id) {
            availability(from: $from, to: $to) {
                __typename ... on UserError { code message } ... on TemporarilyUnavailableError { retryAfterSeconds }
            }
        }
    }
"""


# ---------------------------------------------------------------- how each is met


async def invalid_input(api: Api) -> Json:
    ada = await a_provider(api)
    return await try_booking(api, ada, TEN, customer={"name": "Noor", "email": "no address"})


async def not_allowed(api: Api) -> Json:
    values = {"name": "Ada", "timeZone": "UTC", "serviceDurationMinutes": 60}
    answer: Json = (await api.ask(CREATE_PROVIDER, input=values))["answer"]
    return answer


async def not_found(api: Api) -> Json:
    return await try_booking(api, {"id": unknown("Provider")}, TEN)


async def invalid_date_range(api: Api) -> Json:
    ada = await a_provider(api)
    dates: Json = {"from": "2026-01-12", "to": "2026-01-11"}
    answer: Json = (await api.ask(LISTING, id=ada["id"], **dates))["provider"]["availability"]
    return answer


async def slot_unavailable(api: Api) -> Json:
    ada = await a_provider(api)
    await booked(api, ada, TEN)
    return await try_booking(api, ada, TEN)


async def idempotency_key_reused(api: Api) -> Json:
    ada = await a_provider(api)
    key = new_key()
    await booked(api, ada, TEN, idempotencyKey=key)
    return await try_booking(api, ada, ELEVEN, idempotencyKey=key)


async def booking_limit_reached(api: Api) -> Json:
    ada = await a_provider(api)
    robin = api.customer("robin")
    for hour in range(HOLDS_OF_CALLER):
        await held(api, ada, f"2026-01-12T{9 + hour:02}:00Z", caller=robin)
    return await hold(api, ada, "2026-01-12T16:00Z", caller=robin)


async def hold_expired(api: Api) -> Json:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    api.clock.set(kept["expiresAt"])
    await booked(api, ada, TEN)
    return await try_booking(api, ada, TEN, holdToken=kept["holdToken"])


async def version_conflict(api: Api) -> Json:
    visit = await booked(api, await a_provider(api), TEN)
    return await cancel(api, visit, expectedVersion=7)


async def not_cancellable(api: Api) -> Json:
    visit = await booked(api, await a_provider(api), TEN)
    api.clock.set(TEN)
    return await cancel(api, visit)


async def not_reschedulable(api: Api) -> Json:
    visit = await booked(api, await a_provider(api), TEN)
    await cancel(api, visit)
    return await move(api, visit, ELEVEN)


async def cancellation_fee_not_accepted(api: Api) -> Json:
    return await cancel(api, await booked(api, await a_provider(api, cancellationPolicy=FEE), TEN))


async def invalid_transition(api: Api) -> Json:
    return await complete(api, await booked(api, await a_provider(api), TEN))


async def temporarily_unavailable(api: Api) -> Json:
    """Ask for more than can be computed while a table that every computation reads is
    locked away.
    """
    providers = [await a_provider(api) for _ in range(14)]
    dates: Json = {"from": "2026-01-12", "to": "2026-01-13"}
    async with api.resources.pool.connection() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE weekly_hours IN ACCESS EXCLUSIVE MODE")
        asked = [
            asyncio.create_task(api.ask(LISTING, id=provider["id"], **dates))
            for provider in providers
        ]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    answers = await asyncio.gather(*asked)
    # Admitted requests are answered as soon as the table is back.
    assert {answer["provider"]["availability"]["__typename"] for answer in answers} == {
        "Availability",
        "TemporarilyUnavailableError",
    }
    first: Json = done.pop().result()["provider"]["availability"]
    return first


MEET: Final[dict[str, Callable[[Api], Awaitable[Json]]]] = {
    "BookingLimitReachedError": booking_limit_reached,
    "CancellationFeeNotAcceptedError": cancellation_fee_not_accepted,
    "HoldExpiredError": hold_expired,
    "IdempotencyKeyReusedError": idempotency_key_reused,
    "InvalidDateRangeError": invalid_date_range,
    "InvalidInputError": invalid_input,
    "InvalidTransitionError": invalid_transition,
    "NotAllowedError": not_allowed,
    "NotCancellableError": not_cancellable,
    "NotFoundError": not_found,
    "NotReschedulableError": not_reschedulable,
    "SlotUnavailableError": slot_unavailable,
    "TemporarilyUnavailableError": temporarily_unavailable,
    "VersionConflictError": version_conflict,
}


def must_help(answer: Json, type_name: str) -> None:
    """The code is the type's, and the message a sentence or more that tells a person what is and
    what to do.
    """
    assert answer["__typename"] == type_name, answer
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", type_name.removesuffix("Error")).upper()
    assert answer["code"] == code
    message = answer["message"]
    assert message[0].isupper(), message
    assert message.endswith("."), message
    assert len(message.split()) >= 4, message
    assert not re.search(r"[A-Z]{2,}_[A-Z]|\bNone\b|<|Error\b|\{", message), message


# ---------------------------------------------------------------- the laws


@pytest.mark.parametrize("type_name", sorted({*MEET} - {"TemporarilyUnavailableError"}))
async def test_every_refusal_is_met_and_says_what_to_do(api: Api, type_name: str) -> None:
    must_help(await MEET[type_name](api), type_name)


async def test_too_much_to_do_is_refused_with_the_time_to_wait(environment: dict[str, str]) -> None:
    async with running(
        Settings.from_environment(environment | {"SLOTWRIGHT_POOL_SIZE": "2"})
    ) as own:
        answer = await temporarily_unavailable(await own.api())
    must_help(answer, "TemporarilyUnavailableError")
    assert answer["retryAfterSeconds"] > 0
    assert str(answer["retryAfterSeconds"]) in answer["message"]


async def test_there_is_no_refusal_that_nobody_has_met(api: Api) -> None:
    answer = await api.ask(REFUSALS)
    assert {each["name"] for each in answer["__type"]["possibleTypes"]} == {*MEET}


async def test_every_refusal_is_in_an_answer(api: Api) -> None:
    answer = await api.ask(UNIONS)
    unions = [each for each in answer["__schema"]["types"] if each["kind"] == "UNION"]
    members = {member["name"] for union in unions for member in union["possibleTypes"]}
    assert {*MEET} <= members


async def test_what_a_refusal_says_is_always_there(api: Api) -> None:
    for type_name in MEET:
        answer = await api.ask(FIELDS, name=type_name)
        kinds = {each["name"]: each["type"]["kind"] for each in answer["__type"]["fields"]}
        assert set(kinds.values()) == {"NON_NULL"}, type_name
        assert {"code", "message"} <= {*kinds}


@pytest.mark.parametrize("status", ["CONFIRMED", "CANCELLED"])
async def test_both_ends_say_which_of_them_can_not_be(api: Api, status: str) -> None:
    visit = await booked(api, await a_provider(api), TEN)
    if status == "CANCELLED":
        await cancel(api, visit)
    for answer, end in (
        (await complete(api, visit), "completed"),
        (await no_show(api, visit), "no show"),
    ):
        must_help(answer, "InvalidTransitionError")
        assert end in answer["message"]


async def test_each_reason_not_to_change_has_its_own_sentence(api: Api) -> None:
    ada = await a_provider(
        api, cancellationPolicy={"freeUntilMinutesBefore": 1440, "lateCancellation": "REFUSED"}
    )
    late, gone, over, begun = [
        await booked(api, ada, f"2026-01-12T{hour:02}:00Z") for hour in (16, 15, 9, 10)
    ]
    await cancel(api, gone, caller=api.admin)
    too_late = await move(api, late, "2026-01-13T10:00Z")
    api.clock.set("2026-01-12T10:30Z")
    await complete(api, over)
    answers = [too_late] + [
        await move(api, visit, "2026-01-13T10:00Z") for visit in (gone, over, begun)
    ]
    reasons = ["TOO_LATE", "ALREADY_CANCELLED", "ALREADY_CLOSED", "ALREADY_STARTED"]
    assert [answer["reason"] for answer in answers] == reasons
    for answer in answers:
        must_help(answer, "NotReschedulableError")
    assert len({answer["message"] for answer in answers}) == len(answers)


async def test_a_refused_request_wrote_nothing(api: Api) -> None:
    async def stored() -> list[Json]:
        found: list[Json] = []
        for table in (
            "appointment",
            "claim",
            "hold",
            "appointment_history",
            "customer",
            "idempotency_key",
        ):
            found += await api.rows(
                f"SELECT xmin::text AS writer, t.* FROM {table} AS t WHERE organization_id = $1",
                api.organization.id,
            )
        return found

    ada = await a_provider(api, cancellationPolicy=FEE)
    visit = await booked(api, ada, TEN)
    before = await stored()
    for answer in (
        await try_booking(api, ada, TEN),
        await try_booking(api, ada, "2026-01-12T10:17Z"),
        await try_booking(api, ada, ELEVEN, customer=None),
        await try_booking(api, ada, ELEVEN, holdToken="none"),
        await hold(api, ada, TEN),
        await cancel(api, visit),
        await cancel(api, visit, expectedVersion=9),
        await move(api, visit, ELEVEN),
        await move(api, visit, TEN, caller=api.admin, expectedVersion=9),
        await complete(api, visit),
        await no_show(api, visit),
    ):
        assert answer["__typename"].endswith("Error"), answer
    assert await stored() == before
