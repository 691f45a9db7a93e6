"""Cancel, move, complete, no-show: what each does, who may do it, and until when, as callers see it
over HTTP.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

import app.usecases.booking.close_appointment
from app.usecases.booking.close_appointment import complete_what_ended
from tests.builders import (
    NOW,
    Api,
    Json,
    a_provider,
    a_service,
    instant,
    listed,
    made,
    reasons,
    utc,
    weekly,
)
from tests.lives import (
    booked,
    broken_laws,
    cancel,
    complete,
    hold,
    move,
    new_key,
    no_show,
    seen,
    try_booking,
)

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
NOON = "2026-01-12T12:00Z"
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
EUR_20 = {"amountMinor": 2000, "currency": "EUR"}
FEE_WITHIN_A_DAY = {"freeUntilMinutesBefore": 1440, "lateCancellation": "FEE", "lateFee": EUR_20}
NO_QUOTES = dict.fromkeys(("cancellationQuote", "customersQuote", "reschedulingQuote"))
REFUSED_WITHIN_A_DAY = {"freeUntilMinutesBefore": 1440, "lateCancellation": "REFUSED"}
ALLOWED_WITHIN_A_DAY = {"freeUntilMinutesBefore": 1440, "lateCancellation": "ALLOWED"}

UPDATE_PROVIDER = (
    "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: "
    "$input) "
    "{ __typename } }"
)
UPDATE_SERVICE = (
    "mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }"
)


def written(when: datetime | str) -> str:
    """An instant as the API writes it."""
    return instant(when).isoformat().replace("+00:00", "Z")


async def rows_of(api: Api) -> list[list[Json]]:
    """All that is stored about appointments, and which transaction wrote it."""
    tables = ("appointment", "claim", "appointment_history", "customer", "idempotency_key")
    return [
        await api.rows(
            (
                f"SELECT xmin::text AS writer, * FROM {table} WHERE organization_id = $1 ORDER BY "
                f"{table}"
            ),
            api.organization.id,
        )
        for table in tables
    ]


# ---------------------------------------------------------------- cancel


async def test_a_cancelled_time_is_free_at_once_and_the_appointment_says_what_became_of_it(
    api: Api,
) -> None:
    ada = await a_provider(api, weeklyHours=weekly("10:00", "12:00"))
    visit = await booked(api, ada, TEN)
    assert await listed(api, ada) == utc("2026-01-12", "11:00")
    api.clock.set(NOW + SECOND)
    cancelled = made(await cancel(api, visit, reason=" Ill \n"), "Appointment")
    assert (cancelled["status"], cancelled["version"]) == ("CANCELLED", 2)
    assert (cancelled["cancelledAt"], cancelled["cancellationReason"]) == (
        written(NOW + SECOND),
        "Ill",
    )
    assert (cancelled["cancellationFee"], cancelled["cancellationQuote"]) == (None, None)
    assert cancelled["startsAt"] == written(TEN)
    assert await listed(api, ada) == utc("2026-01-12", "10:00", "11:00")
    again = await booked(api, ada, TEN)
    assert again["appointment"]["id"] != visit["appointment"]["id"]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_the_fee_begins_a_second_after_the_free_time_over_a_change_of_clocks(
    api: Api,
) -> None:
    ada = await a_provider(
        api,
        timeZone="Europe/Berlin",
        weeklyHours=weekly("09:00", "17:00"),
        cancellationPolicy=FEE_WITHIN_A_DAY,
        maxAdvanceBookingDays=365,
    )
    # ten o'clock there, on the day the clocks went forward
    visit = await booked(api, ada, "2026-03-29T08:00Z")
    free_until = instant("2026-03-28T08:00:00Z")
    for now, fee in (
        (free_until - SECOND, None),
        (free_until, None),
        (free_until + SECOND, EUR_20),
        (free_until + timedelta(hours=23), EUR_20),
    ):
        api.clock.set(now)
        shown = await seen(api, visit)
        assert shown is not None
        assert shown["cancellationQuote"] == {
            "freeUntil": written(free_until),
            "allowed": True,
            "fee": fee,
        }, now
    api.clock.set(free_until + SECOND)
    refused = made(await cancel(api, visit), "CancellationFeeNotAcceptedError")
    assert refused["quote"] == {"freeUntil": written(free_until), "allowed": True, "fee": EUR_20}
    made(await cancel(api, visit, acceptFeeMinor=1999), "CancellationFeeNotAcceptedError")
    made(await move(api, visit, "2026-03-29T09:00Z"), "NotReschedulableError")
    api.clock.set(free_until)
    assert made(await cancel(api, visit), "Appointment")["cancellationFee"] is None


@pytest.mark.parametrize(
    ("price", "percent", "fee"),
    [
        ({"amountMinor": 1250, "currency": "JPY"}, 15, {"amountMinor": 188, "currency": "JPY"}),
        ({"amountMinor": 12345, "currency": "KWD"}, 33, {"amountMinor": 4074, "currency": "KWD"}),
        (
            {"amountMinor": 2_147_483_647, "currency": "EUR"},
            100,
            {"amountMinor": 2_147_483_647, "currency": "EUR"},
        ),
    ],
    ids=["yen", "fils", "the most"],
)
async def test_a_share_of_the_price_is_quoted_accepted_and_recorded(
    api: Api, price: Json, percent: int, fee: Json
) -> None:
    ada = await a_provider(api)
    policy = {"freeUntilMinutesBefore": 1440, "lateCancellation": "FEE", "lateFeePercent": percent}
    cut = await a_service(api, ada, durationMinutes=60, price=price, cancellationPolicy=policy)
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    assert visit["appointment"]["cancellationQuote"]["fee"] == fee
    # Neither a new price nor a new policy reaches what is booked.
    changes = {
        "id": cut["id"],
        "price": {"amountMinor": 1, "currency": "USD"},
        "cancellationPolicy": None,
    }
    made((await api.ask(UPDATE_SERVICE, caller=api.admin, input=changes))["answer"], "Service")
    assert made(await cancel(api, visit), "CancellationFeeNotAcceptedError")["quote"]["fee"] == fee
    cancelled = made(await cancel(api, visit, acceptFeeMinor=2_147_483_647), "Appointment")
    assert cancelled["cancellationFee"] == fee
    shown = await seen(api, visit)
    assert shown is not None
    assert shown["cancellationFee"] == fee


async def test_the_policy_of_the_booking_stays_through_changes_of_rules_and_through_moves(
    api: Api,
) -> None:
    ada = await a_provider(api, cancellationPolicy=REFUSED_WITHIN_A_DAY)
    visit = await booked(api, ada, "2026-01-15T10:00Z")
    changes = {"id": ada["id"], "cancellationPolicy": ALLOWED_WITHIN_A_DAY}
    made((await api.ask(UPDATE_PROVIDER, caller=api.admin, input=changes))["answer"], "Provider")
    moved = made(await move(api, visit, "2026-01-13T07:00Z"), "SlotUnavailableError")
    assert moved["alternatives"]
    moved = made(await move(api, visit, "2026-01-13T09:00Z"), "BookingConfirmation")
    quote = moved["appointment"]["cancellationQuote"]
    # The free time runs back from where the visit is now.
    assert quote == {"freeUntil": "2026-01-12T09:00:00Z", "allowed": True, "fee": None}
    api.clock.set("2026-01-12T09:00:01Z")
    assert made(await cancel(api, visit), "NotCancellableError")["reason"] == "TOO_LATE"
    assert (
        made(await move(api, visit, "2026-01-15T10:00Z"), "NotReschedulableError")["reason"]
        == "TOO_LATE"
    )


@pytest.mark.parametrize("policy", [FEE_WITHIN_A_DAY, REFUSED_WITHIN_A_DAY], ids=["fee", "refused"])
async def test_the_providers_side_cancels_and_moves_late_and_for_nothing(
    api: Api, policy: Json
) -> None:
    ada = await a_provider(api, cancellationPolicy=policy)
    for caller in (api.admin, api.acting_for(ada)):
        visit = await booked(api, ada, TEN)
        shown = await seen(api, visit, caller=caller)
        assert shown is not None
        assert (shown["cancellationQuote"]["allowed"], shown["cancellationQuote"]["fee"]) == (
            True,
            None,
        )
        made(await move(api, visit, ELEVEN, caller=caller), "BookingConfirmation")
        cancelled = made(await cancel(api, visit, caller=caller, reason="ill"), "Appointment")
        assert (cancelled["cancellationFee"], cancelled["cancellationReason"]) == (None, "ill")


async def test_at_the_customers_request_the_policy_applies_to_staff_as_well(api: Api) -> None:
    ada = await a_provider(api, cancellationPolicy=FEE_WITHIN_A_DAY)
    ben = await a_provider(api, cancellationPolicy=REFUSED_WITHIN_A_DAY)
    asked = {"atCustomersRequest": True}
    visit = await booked(api, ada, TEN)
    shown = await seen(api, visit, caller=api.reception)
    assert shown is not None
    assert (shown["cancellationQuote"]["fee"], shown["customersQuote"]["fee"]) == (None, EUR_20)
    refused = await cancel(api, visit, caller=api.reception, **asked)
    assert made(refused, "CancellationFeeNotAcceptedError")["quote"]["fee"] == EUR_20
    asked_and_paid = {**asked, "acceptFeeMinor": 2000}
    cancelled = made(
        await cancel(api, visit, caller=api.reception, **asked_and_paid), "Appointment"
    )
    assert (cancelled["cancellationFee"], cancelled["fee"]) == (EUR_20, EUR_20)
    history = "query ($id: ID!) { appointment(id: $id) { history { kind actor } } }"
    answer = await api.ask(history, caller=api.admin, id=cancelled["id"])
    assert answer["appointment"]["history"][-1] == {"kind": "CANCELLED", "actor": "RECEPTION"}

    refused = await cancel(api, await booked(api, ben, TEN), caller=api.acting_for(ben), **asked)
    assert made(refused, "NotCancellableError")["reason"] == "TOO_LATE"
    # A customer's own request is nothing else without it.
    robin = api.customer("robin")
    own = await booked(api, ada, TEN, caller=robin)
    assert (
        "fee"
        in made(await cancel(api, own, caller=robin), "CancellationFeeNotAcceptedError")["quote"]
    )


async def test_cancelling_is_free_for_a_while_after_the_booking(api: Api) -> None:
    policy = FEE_WITHIN_A_DAY | {"graceMinutes": 15}
    ada = await a_provider(api, cancellationPolicy=policy)
    shown = await api.ask(
        "query ($id: ID!) { provider(id: $id) "
        "{ cancellationPolicy { graceMinutes chargesNoShow } } }",
        id=ada["id"],
    )
    expected = {"graceMinutes": 15, "chargesNoShow": False}
    assert shown["provider"]["cancellationPolicy"] == expected
    visit = await booked(api, ada, TEN)
    edge = NOW + timedelta(minutes=15)
    quote = visit["appointment"]["cancellationQuote"]
    assert quote == {"freeUntil": written(edge), "allowed": True, "fee": None}
    assert visit["appointment"]["reschedulingQuote"] == {
        "allowed": True,
        "until": written(edge),
        "reason": None,
    }
    api.clock.set(edge + SECOND)
    assert "quote" in made(await cancel(api, visit), "CancellationFeeNotAcceptedError")
    late = await seen(api, visit)
    assert late is not None
    assert late["reschedulingQuote"] == {
        "allowed": False,
        "until": written(edge),
        "reason": "TOO_LATE",
    }
    api.clock.set(edge)
    assert made(await cancel(api, visit), "Appointment")["fee"] is None


async def test_a_no_show_costs_what_a_late_cancellation_does_where_the_policy_says_so(
    api: Api,
) -> None:
    charging = await a_provider(api, cancellationPolicy=FEE_WITHIN_A_DAY | {"chargesNoShow": True})
    lenient = await a_provider(api, cancellationPolicy=FEE_WITHIN_A_DAY)
    half = {"freeUntilMinutesBefore": 60, "lateCancellation": "FEE", "lateFeePercent": 50}
    class_ = await a_service(
        api,
        charging,
        seats=4,
        price={"amountMinor": 1501, "currency": "EUR"},
        cancellationPolicy=half | {"chargesNoShow": True},
    )
    visits = [
        (await booked(api, charging, TEN), EUR_20),
        (await booked(api, lenient, TEN), None),
        (
            await booked(api, charging, ELEVEN, serviceId=class_["id"], seats=3),
            {"amountMinor": 2252, "currency": "EUR"},
        ),
    ]
    api.clock.set(NOON)
    for visit, fee in visits:
        assert made(await no_show(api, visit), "Appointment")["fee"] == fee
        assert made(await complete(api, visit), "Appointment")["fee"] is None
        assert made(await no_show(api, visit), "Appointment")["fee"] == fee


async def test_a_no_show_is_charged_only_where_a_fee_is_set(api: Api) -> None:
    ada = await a_provider(api)
    for policy in (ALLOWED_WITHIN_A_DAY, REFUSED_WITHIN_A_DAY):
        changes = {"id": ada["id"], "cancellationPolicy": policy | {"chargesNoShow": True}}
        document = UPDATE_PROVIDER.replace(
            "__typename", "__typename ... on InvalidInputError { field }"
        )
        refused = (await api.ask(document, caller=api.admin, input=changes))["answer"]
        assert refused == {
            "__typename": "InvalidInputError",
            "field": "cancellationPolicy.chargesNoShow",
        }


async def test_cancelling_what_is_cancelled_answers_with_it_and_changes_nothing(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    first = made(await cancel(api, visit, reason="ill", expectedVersion=1), "Appointment")
    before = await rows_of(api)
    api.clock.set(TEN)
    for caller in (None, api.admin, api.acting_for(ada)):
        again = await cancel(
            api, visit, caller=caller, reason="other", expectedVersion=1, acceptFeeMinor=5
        )
        assert {**again, "customer": None} == first
    assert await rows_of(api) == before


@pytest.mark.parametrize("side", ["guest", "provider", "admin"])
async def test_from_the_start_on_nobody_cancels_or_moves(api: Api, side: str) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    caller = {"guest": None, "provider": api.acting_for(ada), "admin": api.admin}[side]
    api.clock.set(instant(TEN))
    assert (
        made(await cancel(api, visit, caller=caller), "NotCancellableError")["reason"]
        == "ALREADY_STARTED"
    )
    assert (
        made(await move(api, visit, NOON, caller=caller), "NotReschedulableError")["reason"]
        == "ALREADY_STARTED"
    )
    shown = await seen(api, visit, caller=caller)
    assert shown is not None
    assert shown["cancellationQuote"] is None
    made(await complete(api, visit), "Appointment")
    assert (
        made(await cancel(api, visit, caller=caller), "NotCancellableError")["reason"]
        == "ALREADY_CLOSED"
    )
    assert (
        made(await move(api, visit, NOON, caller=caller), "NotReschedulableError")["reason"]
        == "ALREADY_CLOSED"
    )


async def test_up_to_the_last_microsecond_before_the_start_it_can_be_cancelled(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    api.clock.set(instant(TEN) - MICROSECOND)
    made(await cancel(api, visit), "Appointment")


async def test_what_a_cancellation_says_has_bounds(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    for values, name in (
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "bell \a"}, "reason"),
        ({"acceptFeeMinor": -1}, "acceptFeeMinor"),
    ):
        assert made(await cancel(api, visit, **values), "InvalidInputError")["field"] == name
    assert (
        made(await cancel(api, visit, reason="x" * 500), "Appointment")["cancellationReason"]
        == "x" * 500
    )


# ---------------------------------------------------------------- who may


async def test_an_appointment_is_changed_by_those_who_see_it_and_found_by_nobody_else(
    api: Api,
) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    other = await api.another_organization()
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await booked(api, ada, TEN, caller=robin, customer=None)
    before = await rows_of(api)
    strangers = [
        api.anonymous,
        api.customer("stranger", email="robin@example.com"),
        api.acting_for(ben),
        api.acting_for({"subject": "robin"}),
        other.admin,
        other.customer("robin"),
    ]
    for stranger in strangers:
        made(await cancel(api, visit, caller=stranger), "NotFoundError")
        made(await move(api, visit, ELEVEN, caller=stranger), "NotFoundError")
    for stranger in (api.acting_for(ben), other.admin):
        made(await complete(api, visit, caller=stranger), "NotFoundError")
        made(await no_show(api, visit, caller=stranger), "NotFoundError")
    assert await rows_of(api) == before
    made(await move(api, visit, ELEVEN, caller=robin), "BookingConfirmation")
    made(await move(api, visit, NOON, caller=api.acting_for(ada)), "BookingConfirmation")
    made(await cancel(api, visit, caller=robin), "Appointment")


async def test_only_staff_say_how_an_appointment_ended(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await booked(api, ada, TEN, caller=robin, customer=None)
    api.clock.set(TEN)
    for caller in (api.anonymous, robin):
        made(await complete(api, visit, caller=caller), "NotAllowedError")
        made(await no_show(api, visit, caller=caller), "NotAllowedError")
    assert (
        made(await no_show(api, visit, caller=api.acting_for(ada)), "Appointment")["status"]
        == "NO_SHOW"
    )


async def test_guests_with_one_address_are_one_customer_to_staff_and_none_to_themselves(
    api: Api,
) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="shared@example.com")
    account = await booked(api, ada, "2026-01-12T09:00Z", caller=robin, customer=None)
    one = await booked(api, ada, TEN, customer={"name": "Noor", "email": "Shared@Example.com"})
    two = await booked(
        api, ada, ELEVEN, customer={"name": "N. Noor", "email": "shared@example.com"}
    )
    as_staff = [await seen(api, visit, caller=api.admin) for visit in (account, one, two)]
    known = [found["customer"]["id"] for found in as_staff if found is not None]
    assert known[1] == known[2] != known[0]
    for visit, name in ((one, "Noor"), (two, "N. Noor")):
        own = await seen(api, visit)
        assert own is not None
        assert (own["customer"], own["contact"]["name"]) == (None, name)
    # The guest's address opens nothing of the account's, nor the account anything of the guest's.
    assert await seen(api, one, caller=robin) is None
    theirs = await seen(api, account, caller=robin)
    assert theirs is not None
    assert theirs["contact"] == {"name": "Robin", "email": "shared@example.com"}


# ---------------------------------------------------------------- move


async def test_a_move_keeps_the_appointment_frees_the_old_time_and_takes_the_new(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("10:00", "13:00"))
    visit = await booked(api, ada, TEN, notes="a note")
    moved = made(await move(api, visit, NOON), "BookingConfirmation")
    assert moved["manageToken"] == visit["manageToken"]
    assert moved["appointment"] | {**NO_QUOTES} == visit["appointment"] | {
        "version": 2,
        "startsAt": written(NOON),
        "endsAt": written("2026-01-12T13:00Z"),
        **NO_QUOTES,
    }
    assert await listed(api, ada) == utc("2026-01-12", "10:00", "11:00")
    back = made(await move(api, visit, TEN), "BookingConfirmation")
    assert back["appointment"]["version"] == 3
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_its_own_old_time_counts_as_free(api: Api) -> None:
    ada = await a_provider(api, slotIntervalMinutes=15, bufferMinutes=30)
    visit = await booked(api, ada, TEN)
    for version, when in enumerate(
        ("2026-01-12T10:15Z", "2026-01-12T09:30Z", "2026-01-12T09:30Z"), start=2
    ):
        moved = made(await move(api, visit, when), "BookingConfirmation")["appointment"]
        assert (moved["startsAt"], moved["version"]) == (written(when), version)
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_a_visit_moves_to_another_day_and_over_midnight(api: Api) -> None:
    ada = await a_provider(
        api, weeklyHours=weekly("00:00", "24:00"), bufferMinutes=30, slotIntervalMinutes=30
    )
    visit = await booked(api, ada, "2026-01-13T23:30Z")
    for when in ("2026-01-20T23:00Z", "2026-01-14T00:00Z", "2026-01-13T23:30Z"):
        made(await move(api, visit, when), "BookingConfirmation")
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


@pytest.mark.parametrize("taken_by", ["a visit", "a hold", "a buffer"])
async def test_where_the_target_is_taken_nothing_changes(api: Api, taken_by: str) -> None:
    ada = await a_provider(api, bufferMinutes=30, slotIntervalMinutes=30)
    visit = await booked(api, ada, "2026-01-12T14:00Z")
    if taken_by == "a hold":
        made(await hold(api, ada, TEN), "Hold")
    else:
        await booked(api, ada, "2026-01-12T11:00Z" if taken_by == "a buffer" else TEN)
    before = await rows_of(api)
    key = new_key()
    target = "2026-01-12T12:00Z" if taken_by == "a buffer" else TEN
    refused = made(await move(api, visit, target, idempotencyKey=key), "SlotUnavailableError")
    assert refused["reasons"] == [
        {"a visit": "ALREADY_TAKEN", "a hold": "HELD", "a buffer": "BUFFER"}[taken_by]
    ]
    assert refused["alternatives"]
    assert await rows_of(api) == before
    # A refusal keeps no key.
    made(await move(api, visit, "2026-01-13T10:00Z", idempotencyKey=key), "BookingConfirmation")


async def test_a_move_goes_by_the_rules_in_force_now_at_the_price_of_the_booking(api: Api) -> None:
    ada = await a_provider(api)
    cut = await a_service(
        api,
        ada,
        durationMinutes=60,
        price=EUR_20,
        cancellationPolicy={
            "freeUntilMinutesBefore": 60,
            "lateCancellation": "FEE",
            "lateFeePercent": 50,
        },
    )
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    changes: Json = {
        "id": cut["id"],
        "durationMinutes": 30,
        "minNoticeMinutes": 180,
        "price": {"amountMinor": 9900, "currency": "EUR"},
    }
    made((await api.ask(UPDATE_SERVICE, caller=api.admin, input=changes))["answer"], "Service")
    for when, why in (
        (ELEVEN, []),
        ("2026-01-12T10:30Z", ["TOO_SHORT_NOTICE"]),
        ("2026-01-12T20:00Z", ["OUTSIDE_HOURS"]),
    ):
        answer = await move(api, visit, when)
        assert answer.get("reasons", []) == why
    shown = await seen(api, visit)
    assert shown is not None
    assert [shown["startsAt"], shown["endsAt"]] == utc("2026-01-12", "11:00", "11:30")
    api.clock.set("2026-01-12T10:59:00Z")
    refused = made(await cancel(api, visit), "CancellationFeeNotAcceptedError")
    assert refused["quote"]["fee"] == {"amountMinor": 1000, "currency": "EUR"}


async def test_inside_the_late_window_a_customer_moves_only_where_late_cancelling_is_free(
    api: Api,
) -> None:
    free = await a_provider(api, cancellationPolicy=ALLOWED_WITHIN_A_DAY)
    for policy in (FEE_WITHIN_A_DAY, REFUSED_WITHIN_A_DAY):
        ada = await a_provider(api, cancellationPolicy=policy)
        visit = await booked(api, ada, TEN)
        assert made(await move(api, visit, ELEVEN), "NotReschedulableError")["reason"] == "TOO_LATE"
        made(await move(api, visit, ELEVEN, caller=api.admin), "BookingConfirmation")
    visit = await booked(api, free, TEN)
    made(await move(api, visit, ELEVEN), "BookingConfirmation")


async def test_one_key_moves_once_and_answers_with_what_the_appointment_is_now(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    key = new_key()
    same: Json = {"idempotencyKey": key, "expectedVersion": 1}
    first = made(await move(api, visit, ELEVEN, **same), "BookingConfirmation")
    assert await move(api, visit, ELEVEN, **same) == first
    made(
        await move(api, visit, NOON, idempotencyKey=key, expectedVersion=1),
        "IdempotencyKeyReusedError",
    )
    made(await move(api, visit, NOON), "BookingConfirmation")
    again = made(await move(api, visit, ELEVEN, **same), "BookingConfirmation")
    assert (again["appointment"]["startsAt"], again["appointment"]["version"]) == (written(NOON), 3)
    made(await cancel(api, visit), "Appointment")
    again = made(await move(api, visit, ELEVEN, **same), "BookingConfirmation")
    assert (again["appointment"]["status"], again["appointment"]["version"]) == ("CANCELLED", 4)
    assert again["manageToken"] == visit["manageToken"]


async def test_a_key_counts_for_its_caller_and_its_mutation_only(api: Api) -> None:
    ada = await a_provider(api)
    key = new_key()
    one = await booked(api, ada, TEN, idempotencyKey=key)
    two = await booked(api, ada, ELEVEN)
    moved = made(await move(api, one, NOON, idempotencyKey=key), "BookingConfirmation")
    assert moved["appointment"]["id"] == one["appointment"]["id"]
    moved = made(await move(api, two, TEN, idempotencyKey=key), "BookingConfirmation")
    assert moved["appointment"]["id"] == two["appointment"]["id"]
    made(
        await move(api, one, "2026-01-12T15:00Z", idempotencyKey=key, caller=api.admin),
        "BookingConfirmation",
    )
    made(
        await move(api, two, "2026-01-12T15:00Z", idempotencyKey=key, caller=api.admin),
        "IdempotencyKeyReusedError",
    )


# ---------------------------------------------------------------- versions


async def test_every_change_raises_the_version_and_may_name_the_one_it_expects(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    before = await rows_of(api)
    for wrong in (0, 2, -1):
        for refused in (
            await cancel(api, visit, expectedVersion=wrong),
            await move(api, visit, ELEVEN, expectedVersion=wrong),
            await complete(api, visit, expectedVersion=wrong),
            await no_show(api, visit, expectedVersion=wrong),
        ):
            assert made(refused, "VersionConflictError")["currentVersion"] == 1
    assert await rows_of(api) == before
    moved = made(await move(api, visit, ELEVEN, expectedVersion=1), "BookingConfirmation")
    assert moved["appointment"]["version"] == 2
    api.clock.set(ELEVEN)
    assert made(await no_show(api, visit, expectedVersion=2), "Appointment")["version"] == 3
    assert (
        made(await complete(api, visit, expectedVersion=2), "VersionConflictError")[
            "currentVersion"
        ]
        == 3
    )
    assert made(await complete(api, visit, expectedVersion=3), "Appointment")["version"] == 4


# ---------------------------------------------------------------- complete, no-show


async def test_it_is_completed_or_a_no_show_from_its_start_on_and_back_and_forth(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    api.clock.set(instant(TEN) - MICROSECOND)
    for early in (await complete(api, visit), await no_show(api, visit)):
        assert made(early, "InvalidTransitionError")["from"] == "CONFIRMED"
    api.clock.set(TEN)
    answers = [
        await complete(api, visit),
        await complete(api, visit),
        await no_show(api, visit, caller=api.acting_for(ada)),
        await no_show(api, visit),
        await complete(api, visit),
    ]
    states = [(made(answer, "Appointment")["status"], answer["version"]) for answer in answers]
    assert states == [
        ("COMPLETED", 2),
        ("COMPLETED", 2),
        ("NO_SHOW", 3),
        ("NO_SHOW", 3),
        ("COMPLETED", 4),
    ]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_nothing_leaves_cancelled(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    made(await cancel(api, visit), "Appointment")
    for now in (NOW, instant(TEN), instant("2026-01-13T10:00Z")):
        api.clock.set(now)
        for refused in (await complete(api, visit), await no_show(api, visit)):
            assert made(refused, "InvalidTransitionError")["from"] == "CANCELLED"
        for caller in (None, api.admin):
            refused = await move(api, visit, "2026-01-14T10:00Z", caller=caller)
            assert made(refused, "NotReschedulableError")["reason"] == "ALREADY_CANCELLED"


async def test_what_took_place_and_what_did_not_keep_their_time(api: Api) -> None:
    ada = await a_provider(api, serviceDurationMinutes=240, slotIntervalMinutes=60)
    early, late = (
        await booked(api, ada, "2026-01-12T09:00Z"),
        await booked(api, ada, "2026-01-12T13:00Z"),
    )
    api.clock.set("2026-01-12T13:00Z")
    made(await complete(api, early), "Appointment")
    made(await no_show(api, late), "Appointment")
    assert "ALREADY_TAKEN" in await reasons(api, ada, "2026-01-12T13:00Z")
    assert (await try_booking(api, ada, "2026-01-12T13:00Z"))["reasons"] == ["ALREADY_TAKEN"]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_what_has_ended_is_completed_by_itself_at_its_end_and_once(own_api: Api) -> None:
    api = own_api
    ada = await a_provider(api)
    ended, gone, missed = [
        await booked(api, ada, when) for when in ("2026-01-12T09:00Z", TEN, ELEVEN)
    ]
    later = await booked(api, ada, "2026-01-12T15:00Z")
    made(await cancel(api, gone), "Appointment")
    api.clock.set(instant(TEN) - MICROSECOND)
    assert await complete_what_ended(api.resources) == 0
    api.clock.set(TEN)
    assert await complete_what_ended(api.resources) == 1
    api.clock.set(NOON)
    made(await no_show(api, missed), "Appointment")
    assert await complete_what_ended(api.resources) == 0
    states = {
        visit["appointment"]["id"]: await seen(api, visit, caller=api.admin)
        for visit in (ended, gone, missed, later)
    }
    assert [found and (found["status"], found["version"]) for found in states.values()] == [
        ("COMPLETED", 2),
        ("CANCELLED", 2),
        ("NO_SHOW", 2),
        ("CONFIRMED", 1),
    ]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_many_that_ended_are_completed_in_batches_by_many_workers(
    own_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = own_api
    monkeypatch.setattr(app.usecases.booking.close_appointment, "BATCH_SIZE", 7)
    other = await api.another_organization()
    everywhere: Json = {"serviceDurationMinutes": 15, "weeklyHours": weekly("00:00", "24:00")}
    ada, theirs = await a_provider(api, **everywhere), await a_provider(api, of=other, **everywhere)
    starts = [NOW + timedelta(minutes=15 * at) for at in range(20)]
    await asyncio.gather(*(booked(api, ada, start) for start in starts))
    await asyncio.gather(*(booked(api, theirs, start, caller=other.anonymous) for start in starts))
    api.clock.set("2026-01-13T10:00Z")
    done = await asyncio.gather(*(complete_what_ended(api.resources) for _ in range(4)))
    assert sum(done) == 40
    for organization in (api.organization, other.organization):
        assert await broken_laws(api.resources.pool, organization.id) == {}
        rows = await api.rows(
            "SELECT DISTINCT status, version FROM appointment WHERE organization_id = $1",
            organization.id,
        )
        assert rows == [{"status": "COMPLETED", "version": 2}]
