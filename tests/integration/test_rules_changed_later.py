"""Existing holds and appointments outlive the rules that they were made under: {the offer, the
hours, the zone} change, and then {a hold is booked, an appointment moves, an appointment is
cancelled}, by each side.
"""

from __future__ import annotations

import pytest

from tests.builders import Api, Caller, Json, a_provider, a_service, made, utc, weekly
from tests.lives import booked, broken_laws, cancel, held, hold, move, try_booking

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"

CHANGES = {
    "withdrawn offer": "updateService(input: {id: $service, providerIds: []})",
    "emptied hours": "setWeeklyHours(input: {providerId: $provider, hours: []})",
    "changed zone": 'updateProvider(input: {id: $provider, timeZone: "Pacific/Kiritimati"})',
}
SIDES = ("guest", "provider", "administrator")


async def change(api: Api, what: str, provider: Json, service: Json) -> None:
    names = [name for name in ("provider", "service") if f"${name}" in CHANGES[what]]
    values = {"provider": provider["id"], "service": service["id"]}
    declared = ", ".join(f"${name}: ID!" for name in names)
    answer = await api.ask(
        f"mutation ({declared}) {{ answer: {CHANGES[what]} {{ __typename }} }}",
        caller=api.admin,
        **{name: values[name] for name in names},
    )
    assert answer["answer"]["__typename"] in {"Provider", "Service"}


def side_of(api: Api, side: str, provider: Json) -> Caller | None:
    return {"guest": None, "provider": api.acting_for(provider), "administrator": api.admin}[side]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", CHANGES)
async def test_a_held_time_is_still_booked(api: Api, what: str, side: str) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada)
    caller = side_of(api, side, ada)
    kept = await held(api, ada, TEN, serviceId=cut["id"], caller=caller)
    await change(api, what, ada, cut)
    confirmed = await booked(
        api, ada, TEN, serviceId=cut["id"], caller=caller, holdToken=kept["holdToken"]
    )
    assert confirmed["appointment"]["startsAt"] == kept["startsAt"]
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", CHANGES)
async def test_an_appointment_is_still_cancelled(api: Api, what: str, side: str) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada)
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    await change(api, what, ada, cut)
    answer = await cancel(api, visit, caller=side_of(api, side, ada))
    assert made(answer, "Appointment")["status"] == "CANCELLED"
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("what", "target", "refused"),
    [
        ("withdrawn offer", ELEVEN, []),
        ("emptied hours", ELEVEN, ["OUTSIDE_HOURS"]),
        ("changed zone", ELEVEN, ["OUTSIDE_HOURS"]),  # 01:00 on the next day there
        ("changed zone", "2026-01-12T19:00Z", []),  # 09:00
    ],
)
async def test_an_appointment_still_moves_where_the_provider_works_now(
    api: Api, what: str, target: str, refused: list[str], side: str
) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada)
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    await change(api, what, ada, cut)
    answer = await move(api, visit, target, caller=side_of(api, side, ada))
    if refused:
        assert made(answer, "SlotUnavailableError")["reasons"] == refused
        nearest = {
            "emptied hours": [],
            # Days in Kiritimati are 19:00Z to 03:00Z, and it is past 08:00Z.
            "changed zone": utc("2026-01-12", "19:00", "19:30", "20:00", "20:30", "21:00"),
        }
        assert [each["startsAt"] for each in answer["alternatives"]] == nearest[what]
    else:
        moved = made(answer, "BookingConfirmation")["appointment"]
        assert moved["startsAt"] == target.replace("Z", ":00Z")
    assert await broken_laws(api.resources.pool, api.organization.id) == {}


async def test_alternatives_of_a_move_follow_the_rule_of_the_move(api: Api) -> None:
    """A withdrawn service still has times for the appointment, and its own time counts as free; the
    time that it has is no alternative.
    """
    ada = await a_provider(api, weeklyHours=weekly("10:00", "12:30"), slotIntervalMinutes=30)
    cut = await a_service(api, ada, durationMinutes=60)
    visit = await booked(api, ada, TEN, serviceId=cut["id"])
    await booked(api, ada, "2026-01-12T11:30Z")
    await change(api, "withdrawn offer", ada, cut)
    refused = made(await move(api, visit, ELEVEN), "SlotUnavailableError")
    assert refused["reasons"] == ["ALREADY_TAKEN"]
    near = [each["startsAt"] for each in refused["alternatives"]]
    assert near[0] == "2026-01-12T10:30:00Z"
    assert "2026-01-12T10:00:00Z" not in near
    made(await move(api, visit, near[0]), "BookingConfirmation")


async def test_what_is_withdrawn_takes_no_new_bookings_nor_holds(api: Api) -> None:
    ada = await a_provider(api)
    cut = await a_service(api, ada)
    kept = await held(api, ada, TEN, serviceId=cut["id"])
    visit = await booked(api, ada, ELEVEN, serviceId=cut["id"])
    await change(api, "withdrawn offer", ada, cut)
    # The move reads the withdrawn service, and nothing else may take it from what was read.
    made(await move(api, visit, "2026-01-12T07:00Z"), "SlotUnavailableError")
    for caller in (None, api.acting_for(ada), api.admin):
        wish = {"serviceId": cut["id"], "caller": caller}
        made(await try_booking(api, ada, "2026-01-12T12:00Z", **wish), "NotFoundError")
        made(await hold(api, ada, "2026-01-12T12:00Z", **wish), "NotFoundError")
    api.clock.set("2026-01-12T09:59Z")
    expired = await try_booking(api, ada, TEN, serviceId=cut["id"], holdToken=kept["holdToken"])
    assert made(expired, "HoldExpiredError")["alternatives"] == []
