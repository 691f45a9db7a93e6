"""Holds: a time that nobody else sees or gets, until the hold is used, released or expired, and not
an instant longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from app.usecases.booking.hold_slot import (
    HOLDS_OF_ADDRESS,
    HOLDS_OF_CALLER,
    sweep_expired_holds,
)
from tests.builders import (
    LISTING,
    NOW,
    Api,
    Caller,
    Json,
    a_provider,
    a_service,
    listed,
    made,
    reasons,
    unknown,
    utc,
    weekly,
)
from tests.lives import broken_laws, cancel, held, hold, move, new_key, release, try_booking

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
MINUTES = timedelta(minutes=1)
EXPIRES = NOW + 10 * MINUTES
MICROSECOND = timedelta(microseconds=1)

UPDATE_PROVIDER = """
    mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) { __typename } }
"""
UPDATE_SERVICE = """
    mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }
"""
SET_HOURS = (
    "mutation ($input: SetWeeklyHoursInput!) { answer: setWeeklyHours(input: $input) { "
    "__typename } }"
)
SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)
NEXT_SLOTS = "{ nextAvailableSlots(first: 1) { startsAt } }"
NEXT_SLOT = "query ($id: ID!) { provider(id: $id) { nextAvailableSlot { startsAt } } }"


async def change(api: Api, document: str, type_name: str = "Provider", **values: object) -> None:
    made((await api.ask(document, caller=api.admin, input=values))["answer"], type_name)


async def book_held(
    api: Api,
    provider: Mapping[str, Any],
    held_time: Json,
    *,
    caller: Caller | None = None,
    **values: object,
) -> Json:
    """Book what a hold holds, with its token."""
    token = held_time["holdToken"]
    return await try_booking(
        api, provider, held_time["startsAt"], caller=caller, holdToken=token, **values
    )


async def active_claims(api: Api) -> int:
    rows = await api.rows(
        "SELECT count(*) AS claims FROM claim WHERE organization_id = $1 AND active",
        api.organization.id,
    )
    found: int = rows[0]["claims"]
    return found


# ---------------------------------------------------------------- a real claim


async def test_a_held_time_is_seen_nowhere_and_is_explained_as_held(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("10:00", "12:00"))
    await held(api, ada, TEN)
    for caller in (api.anonymous, api.admin, api.acting_for(ada), api.customer()):
        assert await listed(api, ada, caller=caller) == utc("2026-01-12", "11:00")
        assert await reasons(api, ada, TEN, caller=caller) == ["HELD"]
    found = await api.ask(NEXT_SLOT, id=ada["id"])
    assert found["provider"]["nextAvailableSlot"]["startsAt"] == utc("2026-01-12", "11:00")[0]
    assert (await api.ask(NEXT_SLOTS))["nextAvailableSlots"][0]["startsAt"] == utc(
        "2026-01-12", "11:00"
    )[0]


async def test_a_held_time_is_given_to_nobody_else_not_even_to_staff(api: Api) -> None:
    ada = await a_provider(api)
    await held(api, ada, TEN)
    appointment = made(await try_booking(api, ada, ELEVEN), "BookingConfirmation")
    for caller in (api.anonymous, api.admin, api.acting_for(ada)):
        for refused in (
            await try_booking(api, ada, TEN, caller=caller),
            await hold(api, ada, TEN, caller=caller),
        ):
            assert made(refused, "SlotUnavailableError")["reasons"] == ["HELD"]
            assert TEN.replace("Z", ":00Z") not in [
                slot["startsAt"] for slot in refused["alternatives"]
            ]
            assert refused["alternatives"]
    moved = await move(api, appointment, TEN)
    assert made(moved, "SlotUnavailableError")["reasons"] == ["HELD"]


async def test_a_hold_keeps_its_buffers_too(api: Api) -> None:
    ada = await a_provider(
        api, bufferMinutes=30, slotIntervalMinutes=30, weeklyHours=weekly("09:00", "14:00")
    )
    await held(api, ada, ELEVEN)
    assert await listed(api, ada) == utc("2026-01-12", "09:00", "09:30", "12:30", "13:00")
    # Another visit would overlap the held one, or only come too near to it.
    assert await reasons(api, ada, "2026-01-12T10:30Z") == ["HELD"]
    assert await reasons(api, ada, "2026-01-12T12:00Z") == ["HELD"]


async def test_what_is_not_listed_is_not_held_for_the_same_reasons(api: Api) -> None:
    ada = await a_provider(api, minNoticeMinutes=60)
    for when in (
        "2026-01-12T08:30Z",
        "2026-01-12T17:00Z",
        "2026-01-12T10:17Z",
        "2026-06-01T10:00Z",
        "2025-06-01T10:00Z",
    ):
        refused = made(await hold(api, ada, when), "SlotUnavailableError")
        assert refused["reasons"] == await reasons(api, ada, when), when


async def test_a_hold_says_what_it_holds_and_until_when(api: Api) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada, durationMinutes=45)
    found = await held(api, ada, "2026-01-12T09:45Z", serviceId=cut["id"])
    assert found["provider"]["id"] == ada["id"]
    assert [found["startsAt"], found["endsAt"]] == utc("2026-01-12", "09:45", "10:30")
    assert datetime.fromisoformat(found["expiresAt"]) == EXPIRES


# ---------------------------------------------------------------- expiry, to the instant


async def test_until_it_expires_a_time_is_held_and_from_that_instant_on_it_is_free_swept_or_not(
    api: Api,
) -> None:
    ada = await a_provider(api)
    await held(api, ada, TEN)
    api.clock.set(EXPIRES - MICROSECOND)
    assert await reasons(api, ada, TEN) == ["HELD"]
    assert TEN.replace("Z", ":00Z") not in await listed(api, ada)
    made(await try_booking(api, ada, TEN), "SlotUnavailableError")
    api.clock.set(EXPIRES)
    assert await reasons(api, ada, TEN) == []
    assert TEN.replace("Z", ":00Z") in await listed(api, ada)
    made(await try_booking(api, ada, TEN), "BookingConfirmation")
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_booking_with_it_succeeds_until_it_expires(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    api.clock.set(EXPIRES - MICROSECOND)
    confirmed = made(await book_held(api, ada, kept), "BookingConfirmation")
    assert confirmed["appointment"]["startsAt"] == kept["startsAt"]
    assert await active_claims(api) == 1
    api.clock.set(EXPIRES)
    assert await reasons(api, ada, TEN) == ["ALREADY_TAKEN"]


async def test_after_its_expiry_the_token_still_books_what_is_still_free(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    api.clock.set(EXPIRES)
    made(await book_held(api, ada, kept), "BookingConfirmation")
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


@pytest.mark.parametrize("taken_by", ["a booking", "a hold", "a move"])
async def test_after_its_expiry_what_was_taken_meanwhile_is_refused_with_alternatives(
    api: Api, taken_by: str
) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    api.clock.set(EXPIRES)
    if taken_by == "a booking":
        made(await try_booking(api, ada, TEN), "BookingConfirmation")
    elif taken_by == "a hold":
        await held(api, ada, TEN)
    else:
        made(await move(api, await try_booking(api, ada, ELEVEN), TEN), "BookingConfirmation")
    refused = made(await book_held(api, ada, kept), "HoldExpiredError")
    assert refused["code"] == "HOLD_EXPIRED"
    offered = [slot["startsAt"] for slot in refused["alternatives"]]
    assert offered
    assert set(offered) <= set(await listed(api, ada))


async def test_a_second_hold_may_follow_where_the_first_one_expired(api: Api) -> None:
    ada = await a_provider(api)
    first = await held(api, ada, TEN)
    api.clock.set(EXPIRES)
    second = await held(api, ada, TEN)
    assert second["holdToken"] != first["holdToken"]
    assert datetime.fromisoformat(second["expiresAt"]) == EXPIRES + 10 * MINUTES
    # The first token is no key to the second hold.
    made(await book_held(api, ada, first), "HoldExpiredError")
    made(await release(api, first["holdToken"]), "Hold")
    assert await reasons(api, ada, TEN) == ["HELD"]
    made(await book_held(api, ada, second), "BookingConfirmation")


async def test_the_sweep_frees_what_expired_and_nothing_else_and_may_run_twice(
    own_api: Api,
) -> None:
    api = own_api
    ada = await a_provider(api)
    await held(api, ada, TEN)
    used = await held(api, ada, "2026-01-12T13:00Z")
    made(await book_held(api, ada, used), "BookingConfirmation")
    api.clock.set(NOW + MINUTES)
    await held(api, ada, ELEVEN)
    api.clock.set(EXPIRES - MICROSECOND)
    assert await sweep_expired_holds(api.resources) == 0
    assert await active_claims(api) == 3
    api.clock.set(EXPIRES)
    assert await sweep_expired_holds(api.resources) == 1
    assert await sweep_expired_holds(api.resources) == 0
    assert await active_claims(api) == 2
    assert await reasons(api, ada, ELEVEN) == ["HELD"]
    assert await reasons(api, ada, "2026-01-12T13:00Z") == ["ALREADY_TAKEN"]


async def test_two_sweeps_at_once_and_a_booking_between_them_agree(own_api: Api) -> None:
    api = own_api
    ada = await a_provider(api, serviceDurationMinutes=15)
    starts = [NOW + 60 * MINUTES + 15 * MINUTES * at for at in range(12)]
    kept = [await held(api, ada, start) for start in starts]
    api.clock.set(EXPIRES)
    swept = asyncio.gather(*(sweep_expired_holds(api.resources) for _ in range(4)))
    booked = await asyncio.gather(*(book_held(api, ada, each) for each in kept))
    await swept
    assert {answer["__typename"] for answer in booked} == {"BookingConfirmation"}
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


# ---------------------------------------------------------------- certain, however the rules change


async def test_what_is_held_is_booked_although_hours_notice_and_horizon_have_changed(
    api: Api,
) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    await change(api, SET_HOURS, providerId=ada["id"], hours=[])
    await change(api, SET_EXCEPTION, providerId=ada["id"], date="2026-01-12", isBlocked=True)
    await change(
        api,
        UPDATE_PROVIDER,
        id=ada["id"],
        minNoticeMinutes=3000,
        maxAdvanceBookingDays=1,
        slotIntervalMinutes=7,
    )
    assert await listed(api, ada) == []
    confirmed = made(await book_held(api, ada, kept), "BookingConfirmation")
    assert confirmed["appointment"]["startsAt"] == kept["startsAt"]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_what_is_held_keeps_its_length_and_its_buffers(api: Api) -> None:
    ada = await a_provider(api, bufferMinutes=15, slotIntervalMinutes=15)
    kept = await held(api, ada, TEN)
    await change(api, UPDATE_PROVIDER, id=ada["id"], serviceDurationMinutes=30, bufferMinutes=0)
    refused = made(await book_held(api, ada, kept, durationMinutes=30), "InvalidInputError")
    assert refused["field"] == "durationMinutes"
    confirmed = made(await book_held(api, ada, kept, durationMinutes=60), "BookingConfirmation")
    assert confirmed["appointment"]["endsAt"] == kept["endsAt"]
    assert await reasons(api, ada, ELEVEN) == ["BUFFER"]
    assert await reasons(api, ada, "2026-01-12T11:15Z") == []


async def test_what_is_held_is_booked_although_the_service_is_no_longer_offered_at_the_price_of_now(
    api: Api,
) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    policy = {"freeUntilMinutesBefore": 1440, "lateCancellation": "FEE", "lateFeePercent": 10}
    cut = await a_service(
        api, ada, ben, price={"amountMinor": 5000, "currency": "EUR"}, cancellationPolicy=policy
    )
    kept = await held(api, ada, TEN, serviceId=cut["id"])
    await change(
        api,
        UPDATE_SERVICE,
        "Service",
        id=cut["id"],
        providerIds=[ben["id"]],
        price={"amountMinor": 7000, "currency": "EUR"},
    )
    confirmed = made(await book_held(api, ada, kept, serviceId=cut["id"]), "BookingConfirmation")
    refused = made(await cancel(api, confirmed), "CancellationFeeNotAcceptedError")
    assert refused["quote"]["fee"] == {"amountMinor": 700, "currency": "EUR"}


async def test_the_zone_may_move_the_held_time_to_another_date(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    await change(api, UPDATE_PROVIDER, id=ada["id"], timeZone="Pacific/Kiritimati")
    made(await book_held(api, ada, kept), "BookingConfirmation")


# ---------------------------------------------------------------- what a token is good for


async def test_a_hold_is_booked_as_what_was_held_and_as_nothing_else(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    cut = await a_service(api, ada, durationMinutes=60)
    kept = await held(api, ada, TEN)
    others: list[tuple[Json, str, Json]] = [
        (ada, ELEVEN, {}),
        (ben, TEN, {}),
        (ada, TEN, {"serviceId": cut["id"]}),
    ]
    for provider, start, values in others:
        refused = await try_booking(api, provider, start, holdToken=kept["holdToken"], **values)
        assert made(refused, "InvalidInputError")["field"] == "holdToken"
    # The refusals have not used it up.
    assert await reasons(api, ada, TEN) == ["HELD"]
    made(await book_held(api, ada, kept), "BookingConfirmation")


async def test_a_refused_booking_leaves_the_hold_as_it_is(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    refused = await book_held(api, ada, kept, customer={"name": "Noor", "email": "no address"})
    made(refused, "InvalidInputError")
    made(
        await book_held(api, ada, kept, caller=api.customer("nameless"), customer=None),
        "InvalidInputError",
    )
    made(await book_held(api, ada, kept), "BookingConfirmation")


async def test_a_hold_is_used_once(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    answers = await asyncio.gather(*(book_held(api, ada, kept) for _ in range(10)))
    types = sorted(answer["__typename"] for answer in answers)
    assert types == ["BookingConfirmation", *["HoldExpiredError"] * 9]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_booking_and_releasing_at_once_ends_in_one_of_both(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    booking, released = await asyncio.gather(
        book_held(api, ada, kept), release(api, kept["holdToken"])
    )
    made(released, "Hold")
    # Released first, the time is still free, and the token books it as anybody could.
    made(booking, "BookingConfirmation")
    assert await active_claims(api) == 1


async def test_a_released_time_is_free_at_once_and_releasing_again_changes_nothing(
    api: Api,
) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    for _ in range(2):
        assert made(await release(api, kept["holdToken"]), "Hold") == {**kept, "__typename": "Hold"}
        assert await reasons(api, ada, TEN) == []
    made(await try_booking(api, ada, TEN), "BookingConfirmation")
    made(await release(api, kept["holdToken"]), "Hold")
    assert await reasons(api, ada, TEN) == ["ALREADY_TAKEN"]


async def test_releasing_a_used_hold_does_not_touch_the_appointment(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    made(await book_held(api, ada, kept), "BookingConfirmation")
    made(await release(api, kept["holdToken"]), "Hold")
    assert await reasons(api, ada, TEN) == ["ALREADY_TAKEN"]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_the_token_of_another_organization_is_good_for_nothing(api: Api) -> None:
    other = await api.another_organization()
    ada, theirs = await a_provider(api), await a_provider(api, of=other)
    kept = await held(api, theirs, TEN, caller=other.anonymous)
    refused = await try_booking(api, ada, TEN, holdToken=kept["holdToken"])
    assert made(refused, "InvalidInputError")["field"] == "holdToken"
    made(await release(api, kept["holdToken"]), "NotFoundError")
    made(await release(api, kept["holdToken"], caller=api.admin), "NotFoundError")
    assert await reasons(api, theirs, TEN, caller=other.anonymous) == ["HELD"]


async def test_nothing_but_a_hold_token_is_one(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    token = kept["holdToken"]
    confirmed = made(await try_booking(api, ada, ELEVEN), "BookingConfirmation")
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    foreign = jwt.encode(
        claims, "x" * 40, algorithm="HS256", headers={"kid": "test", "typ": "hold+jwt"}
    )
    for bad in (
        "",
        "nonsense",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        foreign,
        confirmed["manageToken"],
    ):
        made(await release(api, bad), "NotFoundError")
        refused = await try_booking(api, ada, TEN, holdToken=bad)
        assert made(refused, "InvalidInputError")["field"] == "holdToken"
    # Nor is a hold token a manage token or an access token.
    made(await cancel(api, {**confirmed, "manageToken": token}), "NotAllowedError")
    assert (await api.send(LISTING, caller=Caller(token=token), id=ada["id"])).status == 401
    assert await reasons(api, ada, TEN) == ["HELD"]


# ---------------------------------------------------------------- keys


async def test_one_key_makes_one_hold_however_often_and_at_once_it_comes(api: Api) -> None:
    ada = await a_provider(api)
    key = new_key()
    answers = await asyncio.gather(*(hold(api, ada, TEN, idempotencyKey=key) for _ in range(20)))
    assert [answer["__typename"] for answer in answers] == ["Hold"] * 20
    assert len({answer["holdToken"] for answer in answers}) == 1
    made(await hold(api, ada, ELEVEN, idempotencyKey=key), "IdempotencyKeyReusedError")
    # A retry answers with what the key made, used and expired as it may be.
    made(await book_held(api, ada, answers[0]), "BookingConfirmation")
    api.clock.set(EXPIRES + MINUTES)
    assert (await held(api, ada, TEN, idempotencyKey=key))["holdToken"] == answers[0]["holdToken"]


async def test_a_booking_with_a_hold_is_repeated_under_its_key(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    same: Json = {
        "idempotencyKey": new_key(),
        "customer": {"name": "Noor", "email": "noor@example.com"},
    }
    first = made(await book_held(api, ada, kept, **same), "BookingConfirmation")
    api.clock.set(EXPIRES + MINUTES)
    again = made(await book_held(api, ada, kept, **same), "BookingConfirmation")
    assert again["appointment"]["id"] == first["appointment"]["id"]
    assert again["manageToken"] == first["manageToken"]
    without = await try_booking(api, ada, TEN, **same)
    made(without, "IdempotencyKeyReusedError")


async def test_a_refused_hold_keeps_no_key(api: Api) -> None:
    ada = await a_provider(api)
    kept = await held(api, ada, TEN)
    key = new_key()
    made(await hold(api, ada, TEN, idempotencyKey=key), "SlotUnavailableError")
    made(await release(api, kept["holdToken"]), "Hold")
    await held(api, ada, TEN, idempotencyKey=key)


# ---------------------------------------------------------------- limits


async def test_a_signed_in_caller_holds_a_few_times_at_once(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    kept = [
        await held(api, ada, NOW + hour * 60 * MINUTES, caller=robin)
        for hour in range(1, 1 + HOLDS_OF_CALLER)
    ]
    refused = made(await hold(api, ben, TEN, caller=robin), "BookingLimitReachedError")
    assert refused["code"] == "BOOKING_LIMIT_REACHED"
    assert f"at most {HOLDS_OF_CALLER} times" in refused["message"]
    # Another caller's are their own.
    await held(api, ben, ELEVEN, caller=api.customer("kim"))
    # Used, released or expired: each makes room for one.
    made(await book_held(api, ada, kept[0], caller=robin), "BookingConfirmation")
    await held(api, ben, TEN, caller=robin)
    made(await hold(api, ben, "2026-01-12T14:00Z", caller=robin), "BookingLimitReachedError")
    made(await release(api, kept[1]["holdToken"], caller=robin), "Hold")
    await held(api, ben, "2026-01-12T14:00Z", caller=robin)
    made(await hold(api, ben, "2026-01-12T15:00Z", caller=robin), "BookingLimitReachedError")
    api.clock.set(EXPIRES)
    await held(api, ben, "2026-01-12T15:00Z", caller=robin)


async def test_holding_many_at_once_does_not_get_past_the_limit(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin")
    answers = await asyncio.gather(
        *(hold(api, ada, NOW + hour * 60 * MINUTES, caller=robin) for hour in range(1, 9))
    )
    types = [answer["__typename"] for answer in answers]
    assert types.count("Hold") == HOLDS_OF_CALLER
    assert types.count("BookingLimitReachedError") == 8 - HOLDS_OF_CALLER


async def test_a_retry_is_no_further_hold(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin")
    keys = [new_key() for _ in range(HOLDS_OF_CALLER)]
    for _ in range(2):
        for hour, key in enumerate(keys, start=1):
            await held(api, ada, NOW + hour * 60 * MINUTES, caller=robin, idempotencyKey=key)


async def test_guests_behind_one_address_hold_more_and_staff_hold_what_they_want(api: Api) -> None:
    ada = await a_provider(api, serviceDurationMinutes=15, weeklyHours=weekly("00:00", "24:00"))
    slots = [NOW + 15 * MINUTES * at for at in range(1, 60)]
    guests = await asyncio.gather(*(hold(api, ada, slot) for slot in slots[: HOLDS_OF_ADDRESS + 5]))
    types = [answer["__typename"] for answer in guests]
    assert (types.count("Hold"), types.count("BookingLimitReachedError")) == (HOLDS_OF_ADDRESS, 5)
    for slot in slots[30:36]:
        await held(api, ada, slot, caller=api.admin)
        await held(api, ada, slot + timedelta(hours=6), caller=api.acting_for(ada))


async def test_providers_hold_in_their_own_calendar_only(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    made(await hold(api, ben, TEN, caller=api.acting_for(ada)), "NotAllowedError")
    await held(api, ada, TEN, caller=api.acting_for(ada))


async def test_a_hundred_callers_wanting_one_time_get_one_hold(own_api: Api) -> None:
    api = own_api
    ada = await a_provider(api)
    answers = await asyncio.gather(
        *(hold(api, ada, TEN, caller=api.customer(f"customer-{number}")) for number in range(100))
    )
    types = [answer["__typename"] for answer in answers]
    assert (types.count("Hold"), types.count("SlotUnavailableError")) == (1, 99)
    assert {tuple(each["reasons"]) for each in answers if "reasons" in each} <= {
        ("HELD",),
        ("ALREADY_TAKEN",),
    }
    assert await active_claims(api) == 1


# ---------------------------------------------------------------- what there is not


async def test_a_hold_of_nothing_is_not_found(api: Api) -> None:
    ada = await a_provider(api)
    made(await hold(api, {"id": unknown("Provider")}, TEN), "NotFoundError")
    made(await hold(api, ada, TEN, serviceId=unknown("Service")), "NotFoundError")
    other = await a_service(api, await a_provider(api))
    made(await hold(api, ada, TEN, serviceId=other["id"]), "NotFoundError")


async def test_a_hold_needs_a_key_that_can_be_one(api: Api) -> None:
    ada = await a_provider(api)
    for key in ("", "x" * 256, "a\nb"):
        assert (
            made(await hold(api, ada, TEN, idempotencyKey=key), "InvalidInputError")["field"]
            == "idempotencyKey"
        )
