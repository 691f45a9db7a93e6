"""What staff set aside: each rule by its name, for themselves or for all of a visit, and never what
is taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest

from app.core.ids import ResourceId
from app.core.overrides import RuleSetAside
from tests.builders import (
    NOW,
    TODAY,
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    instant,
    key_in,
    listed,
    made,
    utc,
    weekly,
)
from tests.integration.test_availability import an_exception
from tests.integration.test_customer_limits import forbid_overlap, kim, of_guest
from tests.integration.test_session_changes import MOVE_SESSION, session_of
from tests.lives import booked, broken_laws, held, hold, move, new_key, try_booking
from tests.visits import a_class, a_treatment, a_visit, needs_now, try_move, try_visit

TOMORROW: Final = str(TODAY + timedelta(days=1))
SEVEN, NINE, TEN_PAST, TEN, ELEVEN, NOON = utc(
    TOMORROW, "07:00", "09:00", "09:10", "10:00", "11:00", "12:00"
)
RULES: Final = [rule.value for rule in RuleSetAside]
CONFIRMED: Final = "BookingConfirmation"
HISTORY: Final = "query ($id: ID!) { appointment(id: $id) { history { kind ignored } } }"


@pytest.fixture(autouse=True)
async def _laws_are_kept(api: Api) -> AsyncIterator[None]:
    yield
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def ignored(api: Api, confirmation: Json) -> list[list[str]]:
    """What each change of an appointment set aside."""
    found = await api.ask(HISTORY, caller=api.admin, id=confirmation["appointment"]["id"])
    return [entry["ignored"] for entry in found["appointment"]["history"]]


async def kept(api: Api, confirmation: Json) -> list[str] | None:
    """What is set aside for an appointment as it is."""
    (row,) = await api.rows(
        "SELECT ignored FROM appointment WHERE id = $1", key_in(confirmation["appointment"]["id"])
    )
    found: list[str] | None = row["ignored"]
    return found


def reasons(answer: Json) -> list[str]:
    found: list[str] = made(answer, "SlotUnavailableError")["reasons"]
    return found


async def try_to_move_session(api: Api, session_id: str, starts_at: str, **values: object) -> Json:
    caller = values.pop("caller", api.admin)
    assert isinstance(caller, Caller)
    asked = {
        "sessionId": session_id,
        "startsAt": instant(starts_at).isoformat(),
        "idempotencyKey": new_key(),
        **values,
    }
    answer: Json = (await api.ask(MOVE_SESSION, caller=caller, input=asked))["answer"]
    return answer


# ---------------------------------------------------------------- each rule


async def against(api: Api, reason: str) -> tuple[Json, str]:
    """A provider, and a start against which there is this reason alone."""
    if reason == "BREAK":
        return await a_provider(api, breaks=weekly("12:00", "13:00")), NOON
    if reason == "EXCEPTION":
        ada = await a_provider(api)
        await an_exception(api, ada, TOMORROW)
        return ada, NINE
    if reason == "DOES_NOT_FIT":
        return await a_provider(api, slotIntervalMinutes=30), f"{TOMORROW}T16:30:00Z"
    if reason == "NOT_ON_GRID":
        return await a_provider(api), TEN_PAST
    if reason == "TOO_SHORT_NOTICE":
        return await a_provider(api, minNoticeMinutes=2 * 24 * 60), NINE
    if reason == "BEYOND_HORIZON":
        return await a_provider(api, maxAdvanceBookingDays=0), NINE
    if reason == "LIMIT_REACHED":
        ada = await a_provider(api, limits=[{"period": "DAY", "maxVisits": 1}])
        await booked(api, ada, NOON)
        return ada, NINE
    assert reason == "OUTSIDE_HOURS"
    return await a_provider(api), SEVEN


RULE_AGAINST: Final = {
    "OUTSIDE_HOURS": "HOURS",
    "BREAK": "HOURS",
    "EXCEPTION": "HOURS",
    "DOES_NOT_FIT": "HOURS",
    "NOT_ON_GRID": "GRID",
    "TOO_SHORT_NOTICE": "NOTICE",
    "BEYOND_HORIZON": "HORIZON",
    "LIMIT_REACHED": "LIMITS",
}


@pytest.mark.parametrize("reason", RULE_AGAINST)
async def test_a_rule_is_set_aside_by_its_name_and_by_no_other(api: Api, reason: str) -> None:
    """In a booking, a hold and a move; the history says so. What is offered instead is what
    everybody else is offered.
    """
    ada, start = await against(api, reason)
    rule = RULE_AGAINST[reason]
    others = [each for each in RULES if each != rule]
    answer = await try_booking(api, ada, start, caller=api.admin, ignore=others)
    assert reasons(answer) == [reason]
    offered = await listed(api, ada, TODAY, TODAY + timedelta(days=9))
    assert {each["startsAt"] for each in answer["alternatives"]} <= {*offered}
    assert reasons(await hold(api, ada, start, caller=api.admin, ignore=others)) == [reason]
    done = await booked(api, ada, start, caller=api.acting_for(ada), ignore=[rule])
    assert await ignored(api, done) == [[rule]]
    assert await kept(api, done) == [rule]
    if reason == "LIMIT_REACHED":
        return  # a move within the day is not one more
    later = (instant(start) + timedelta(days=7)).isoformat()
    if reason in {"EXCEPTION", "TOO_SHORT_NOTICE"}:
        later = (instant(start) + timedelta(minutes=60)).isoformat()
    answer = await move(api, done, later, caller=api.admin, ignore=others)
    assert reasons(answer) == [reason]
    moved = await move(api, done, later, caller=api.admin, ignore=[rule, rule])
    made(moved, "BookingConfirmation")
    assert await ignored(api, done) == [[rule], [rule]]


async def test_what_is_taken_is_never_set_aside(api: Api) -> None:
    """Nor buffers, holds, the past, or what lies between two minutes."""
    ada = await a_provider(api, bufferMinutes=15, slotIntervalMinutes=60)
    await booked(api, ada, NINE)
    await held(api, ada, NOON)
    asked: Any = {"caller": api.admin, "ignore": RULES}
    for start, reason in (
        (NINE, "ALREADY_TAKEN"),
        (f"{TOMORROW}T09:59:00Z", "ALREADY_TAKEN"),
        (f"{TOMORROW}T10:10:00Z", "BUFFER"),
        (NOON, "HELD"),
        ((NOW - timedelta(minutes=1)).isoformat(), "IN_THE_PAST"),
        (f"{TOMORROW}T07:00:30Z", "NOT_ON_GRID"),
        (f"{TOMORROW}T10:15:30Z", "NOT_ON_GRID"),
    ):
        assert reasons(await try_booking(api, ada, start, **asked)) == [reason], start
        assert reasons(await hold(api, ada, start, **asked)) == [reason], start
    first = await booked(api, ada, f"{TOMORROW}T10:15:00Z", **asked)
    assert reasons(await move(api, first, NINE, **asked)) == ["ALREADY_TAKEN"]
    far = "9999-12-30T09:00:00Z"
    assert reasons(await try_booking(api, ada, far, **asked)) == ["BEYOND_HORIZON"]


# ---------------------------------------------------------------- who, and what is theirs


async def test_only_staff_set_rules_aside(api: Api) -> None:
    """Whatever token they bring; and with none named, everybody may say so."""
    ada, bea = await a_provider(api), await a_provider(api)
    visit = await booked(api, ada, NINE, caller=kim(api), ignore=[])
    link = {"manageToken": visit["manageToken"]}
    for caller in (api.anonymous, kim(api)):
        made(await try_booking(api, ada, SEVEN, caller=caller, ignore=["HOURS"]), "NotAllowedError")
        made(await hold(api, ada, SEVEN, caller=caller, ignore=["HOURS"]), "NotAllowedError")
        answer = await move(api, visit, SEVEN, caller=caller, ignore=["HOURS"], **link)
        made(answer, "NotAllowedError")
    answer = await move(api, visit, SEVEN, caller=api.acting_for(bea), ignore=["HOURS"], **link)
    made(answer, "NotAllowedError")
    answer = await try_booking(api, ada, SEVEN, caller=api.acting_for(bea), ignore=["HOURS"])
    made(answer, "NotAllowedError")
    made(await move(api, visit, TEN, ignore=[]), "BookingConfirmation")
    made(await move(api, visit, SEVEN, caller=api.admin, ignore=["HOURS"]), "BookingConfirmation")


async def test_a_provider_sets_aside_only_what_is_theirs(api: Api) -> None:
    """Neither a colleague's hours, nor a room's, nor what the customer may have."""
    ada, bea = await a_provider(api), await a_provider(api)
    early = await a_provider(api, weeklyHours=weekly("06:00", "17:00"))
    room = await a_resource(api, alwaysOpen=False, weeklyHours=weekly("09:00", "17:00"))
    in_room = await a_treatment(api, ada, rooms=[ResourceId(key_in(room["id"]))])
    both = await a_treatment(api, ada, bea, needed=2)
    with_early = await a_treatment(api, ada, early, needed=2)
    asked: Json = {"ignore": ["HOURS"]}
    theirs = api.acting_for(ada)
    answer = await try_visit(api, in_room, SEVEN, ada, caller=theirs, **asked)
    assert reasons(answer) == ["RESOURCE_TAKEN"]
    answer = await try_visit(api, both, SEVEN, ada, bea, caller=theirs, **asked)
    assert reasons(answer) == ["NOBODY_FREE"]
    # With whom is open then, their own hours are enough.
    made(await try_visit(api, with_early, SEVEN, ada, early, caller=theirs, **asked), CONFIRMED)
    eight = f"{TOMORROW}T08:00:00Z"
    made(await try_visit(api, in_room, eight, ada, caller=api.admin, **asked), CONFIRMED)
    six = f"{TOMORROW}T06:00:00Z"
    made(await try_visit(api, both, six, ada, bea, caller=api.admin, **asked), CONFIRMED)


async def test_what_a_customer_may_have_is_set_aside_by_who_runs_the_practice(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    cut = (await a_service(api, ada, bea, maxOpenPerCustomer=1))["id"]
    await forbid_overlap(api)
    first = await booked(api, ada, NINE, caller=kim(api), serviceId=cut)
    named: Json = {"customer": None, "customerId": first["appointment"]["customer"]["id"]}
    limits: Json = {"ignore": ["LIMITS"], **named}
    answer = await try_booking(api, ada, TEN, caller=api.acting_for(ada), serviceId=cut, **limits)
    assert reasons(answer) == ["LIMIT_REACHED"]
    await booked(api, ada, TEN, caller=api.admin, serviceId=cut, **limits)
    answer = await try_booking(api, bea, NINE, caller=api.admin, **named)
    assert reasons(answer) == ["CUSTOMER_BUSY"]
    second = await booked(api, bea, NINE, caller=api.admin, **limits)
    assert await ignored(api, second) == [["LIMITS"]]
    third = await booked(api, bea, NOON, caller=kim(api))
    answer = await move(api, third, TEN, caller=api.acting_for(bea), ignore=["LIMITS"])
    assert reasons(answer) == ["CUSTOMER_BUSY"]
    made(await move(api, third, TEN, caller=api.admin, ignore=["LIMITS"]), CONFIRMED)


# ---------------------------------------------------------------- holds


async def test_a_hold_is_booked_without_naming_again_what_it_set_aside(api: Api) -> None:
    """By any holder of its token; what the booking itself sets aside is added."""
    ada = await a_provider(api)
    first = await held(api, ada, SEVEN, caller=api.admin, ignore=["HOURS"])
    visit = await booked(api, ada, SEVEN, holdToken=first["holdToken"])
    assert await ignored(api, visit) == [["HOURS"]]
    assert await kept(api, visit) == ["HOURS"]
    second = await held(api, ada, TEN_PAST, caller=api.admin, ignore=["GRID"])
    values: Json = {"holdToken": second["holdToken"], "ignore": ["LIMITS"]}
    visit = await booked(api, ada, TEN_PAST, caller=api.admin, **values)
    assert await ignored(api, visit) == [["GRID", "LIMITS"]]


async def test_an_expired_hold_sets_nothing_aside(api: Api) -> None:
    """Booking with it is a new booking: staff name what they set aside."""
    ada = await a_provider(api)
    token = (await held(api, ada, SEVEN, caller=api.admin, ignore=["HOURS"]))["holdToken"]
    api.clock.now += timedelta(hours=1)
    for caller in (None, api.admin):
        answer = await try_booking(api, ada, SEVEN, caller=caller, holdToken=token)
        made(answer, "HoldExpiredError")
    values: Json = {"holdToken": token, "ignore": ["HOURS"]}
    visit = await booked(api, ada, SEVEN, caller=api.admin, **values)
    assert await ignored(api, visit) == [["HOURS"]]


async def test_a_hold_promises_nothing_of_the_customer_whatever_it_set_aside(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    await forbid_overlap(api)
    first = await booked(api, ada, NINE, caller=kim(api))
    token = (await held(api, bea, NINE, caller=api.admin, ignore=["LIMITS"]))["holdToken"]
    assert reasons(await try_booking(api, bea, NINE, caller=kim(api), holdToken=token)) == [
        "CUSTOMER_BUSY"
    ]
    values: Json = {
        "customer": None,
        "customerId": first["appointment"]["customer"]["id"],
        "holdToken": token,
    }
    assert reasons(await try_booking(api, bea, NINE, caller=api.admin, **values)) == [
        "CUSTOMER_BUSY"
    ]
    await booked(api, bea, NINE, caller=api.admin, ignore=["LIMITS"], **values)


# ---------------------------------------------------------------- moves and handing over


async def test_a_move_replaces_what_was_set_aside_unless_it_keeps_the_start(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api, weeklyHours=weekly("06:00", "17:00"))
    cut = (await a_service(api, ada, bea))["id"]
    visit = await booked(api, ada, SEVEN, caller=api.admin, serviceId=cut, ignore=["HOURS"])
    handed = await try_move(api, visit, SEVEN, bea, caller=api.admin)
    made(handed, CONFIRMED)
    assert await kept(api, visit) == ["HOURS"]
    made(await move(api, visit, TEN_PAST, caller=api.admin, ignore=["GRID"]), CONFIRMED)
    assert await kept(api, visit) == ["GRID"]
    made(await move(api, visit, TEN), CONFIRMED)
    assert await kept(api, visit) is None
    assert await ignored(api, visit) == [["HOURS"], [], ["GRID"], []]


async def test_a_visit_is_handed_to_a_colleague_who_is_off_only_by_an_override(api: Api) -> None:
    """At the same start; the one who hands it over can't set the colleague's hours aside."""
    ada, bea = await a_provider(api), await a_provider(api, weeklyHours=weekly("13:00", "17:00"))
    cut = (await a_service(api, ada, bea))["id"]
    visit = await booked(api, ada, NINE, serviceId=cut)
    for caller, rules in (
        (api.admin, []),
        (api.admin, ["GRID", "NOTICE", "HORIZON", "LIMITS"]),
        (api.acting_for(ada), RULES),
    ):
        answer = await try_move(api, visit, NINE, bea, caller=caller, ignore=rules)
        assert reasons(answer) == ["OUTSIDE_HOURS"]
    answer = await try_move(api, visit, NINE, bea, caller=api.admin, ignore=["HOURS"])
    handed = made(answer, CONFIRMED)["appointment"]
    assert [each["id"] for each in handed["providers"]] == [bea["id"]]
    assert await ignored(api, visit) == [[], ["HOURS"]]
    # Bea hands it back, and Ada is free again then.
    made(await try_move(api, visit, NINE, ada, caller=api.acting_for(bea)), CONFIRMED)


async def test_a_visit_is_handed_over_at_another_time_outside_the_colleagues_hours(
    api: Api,
) -> None:
    """And so is a class, with everybody in it."""
    ada, bea = await a_provider(api), await a_provider(api)
    cut = (await a_service(api, ada, bea))["id"]
    visit = await booked(api, ada, NINE, serviceId=cut)
    assert reasons(await try_move(api, visit, SEVEN, bea, caller=api.reception)) == [
        "OUTSIDE_HOURS"
    ]
    answer = await try_move(api, visit, SEVEN, bea, caller=api.reception, ignore=["HOURS"])
    moved = made(answer, CONFIRMED)["appointment"]
    assert (moved["startsAt"], moved["provider"]["id"]) == (SEVEN, bea["id"])
    yoga = await a_class(api, ada, bea, seats=4)
    parties = [await a_visit(api, yoga, NINE, ada) for _ in range(2)]
    session_id = await session_of(api, parties[0])
    eight = f"{TOMORROW}T08:00:00Z"
    to_bea: Json = {"providerIds": [bea["id"]]}
    answer = await try_to_move_session(api, session_id, eight, **to_bea)
    assert "OUTSIDE_HOURS" in reasons(answer)
    answer = await try_to_move_session(api, session_id, eight, ignore=["HOURS"], **to_bea)
    made(answer, "Session")
    for each in parties:
        assert await ignored(api, each) == [[], ["HOURS"]]
    await booked(api, ada, NINE)


async def test_a_visit_is_not_handed_to_a_colleague_who_is_taken(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    cut = (await a_service(api, ada, bea))["id"]
    visit = await booked(api, ada, NINE, serviceId=cut)
    await booked(api, bea, NINE)
    answer = await try_move(api, visit, NINE, bea, caller=api.admin, ignore=RULES)
    assert reasons(answer) == ["ALREADY_TAKEN"]


async def test_a_visit_for_which_hours_were_set_aside_is_not_stranded(api: Api) -> None:
    """Neither where it was booked, nor where the provider is off later; a move takes that back."""
    ada = await a_provider(api)
    early = await booked(api, ada, SEVEN, caller=api.admin, ignore=["HOURS"])
    other = await booked(api, ada, NOON, caller=api.admin, ignore=["GRID"])

    async def stranded() -> list[str]:
        found = await api.ask("{ strandedAppointments { nodes { id } } }", caller=api.admin)
        return [each["id"] for each in found["strandedAppointments"]["nodes"]]

    assert await stranded() == []
    made(await move(api, early, ELEVEN), CONFIRMED)
    made(await move(api, early, NINE, caller=api.admin, ignore=["HOURS"]), CONFIRMED)
    await an_exception(api, ada, TOMORROW)
    assert await stranded() == [other["appointment"]["id"]]
    await an_exception(api, ada, TOMORROW, ("09:00", "17:00"), is_blocked=False)
    made(await move(api, early, TEN), CONFIRMED)
    await an_exception(api, ada, TOMORROW)
    assert await stranded() == [early["appointment"]["id"], other["appointment"]["id"]]


# ---------------------------------------------------------------- sessions


async def test_an_override_off_the_grid_begins_a_session_that_others_join(api: Api) -> None:
    """The law of sessions goes on from there: who joins need set nothing aside."""
    ada = await a_provider(api)
    yoga = await a_class(api, ada, seats=3)
    answer = await try_visit(api, yoga, TEN_PAST)
    assert reasons(answer) == ["NOBODY_FREE"]
    first = await a_visit(api, yoga, TEN_PAST, caller=api.admin, ignore=["GRID"])
    second = await a_visit(api, yoga, TEN_PAST, seats=2)
    assert await session_of(api, first) == await session_of(api, second)
    assert await ignored(api, second) == [[]]
    answer = await try_visit(api, yoga, TEN_PAST, caller=api.admin, ignore=RULES)
    assert reasons(answer) == ["NO_SEATS_LEFT"]


async def test_a_session_outside_hours_takes_only_parties_for_whom_hours_are_set_aside(
    api: Api,
) -> None:
    ada = await a_provider(api, slotIntervalMinutes=30)
    yoga = await a_class(api, ada, seats=6)
    first = await a_visit(api, yoga, SEVEN, caller=api.admin, ignore=["HOURS"])
    # Half an hour later, the teacher is taken.
    answer = await try_visit(api, yoga, f"{TOMORROW}T07:30:00Z", caller=api.admin, ignore=["HOURS"])
    assert reasons(answer) == ["NOBODY_FREE"]
    assert "OUTSIDE_HOURS" in reasons(await try_visit(api, yoga, SEVEN, ada))
    made(await try_visit(api, yoga, SEVEN), "SlotUnavailableError")
    second = await a_visit(api, yoga, SEVEN, ada, caller=api.acting_for(ada), ignore=["HOURS"])
    assert await session_of(api, first) == await session_of(api, second)
    # Who sits there keeps the seats, and may give some back.
    more = await a_visit(api, yoga, SEVEN, caller=api.admin, ignore=["HOURS"], seats=2)
    made(await try_move(api, more, SEVEN, seats=1), CONFIRMED)
    assert await kept(api, more) == ["HOURS"]
    assert await ignored(api, more) == [["HOURS"], []]


async def test_a_session_moves_outside_hours_with_everybody_in_it_or_nobody(api: Api) -> None:
    """Holds too: who books with one need not know."""
    ada, bea = await a_provider(api), await a_provider(api)
    yoga = await a_class(api, ada, seats=6)
    first, second = await a_visit(api, yoga, NINE), await a_visit(api, yoga, NINE)
    waiting = await hold(api, {"id": None}, NINE, serviceId=yoga["id"])
    token = made(waiting, "Hold")["holdToken"]
    session_id = await session_of(api, first)
    assert reasons(await try_to_move_session(api, session_id, SEVEN)) == ["NOBODY_FREE"]
    for caller in (kim(api), api.anonymous):
        answer = await try_to_move_session(api, session_id, SEVEN, caller=caller, ignore=["HOURS"])
        made(answer, "NotAllowedError")
    answer = await try_to_move_session(
        api, session_id, SEVEN, caller=api.acting_for(bea), ignore=["HOURS"]
    )
    made(answer, "NotFoundError")
    answer = await try_to_move_session(
        api, session_id, SEVEN, caller=api.acting_for(ada), ignore=["HOURS"]
    )
    made(answer, "Session")
    third = await booked(
        api,
        {"id": None},
        SEVEN,
        serviceId=yoga["id"],
        holdToken=token,
        customer=of_guest()["customer"],
    )
    for each in (first, second):
        assert await ignored(api, each) == [[], ["HOURS"]]
    assert await ignored(api, third) == [["HOURS"]]
    await needs_now(api, yoga, seats=3)
    made(await try_to_move_session(api, session_id, TEN), "Session")
    for each in (first, second, third):
        assert await kept(api, each) is None


# ---------------------------------------------------------------- retries


async def test_a_retry_that_sets_aside_something_else_is_another_request(api: Api) -> None:
    """In which order rules are named plays no part."""
    ada = await a_provider(api)
    visit = await booked(api, ada, NINE)
    guest = of_guest()
    for number, make in enumerate((try_booking, hold)):
        start = f"{TOMORROW}T0{6 + number}:00:00Z"
        values: Json = {"idempotencyKey": new_key(), **(guest if make is try_booking else {})}
        for rules, is_same in ((["HOURS", "GRID"], True), (["GRID", "HOURS"], True), ([], False)):
            answer = await make(api, ada, start, caller=api.admin, ignore=rules, **values)
            assert (answer["__typename"] != "IdempotencyKeyReusedError") == is_same
    key = new_key()
    for rules, type_name in ((["GRID"], CONFIRMED), (["NOTICE"], "IdempotencyKeyReusedError")):
        answer = await move(
            api, visit, TEN_PAST, caller=api.admin, ignore=rules, idempotencyKey=key
        )
        made(answer, type_name)
