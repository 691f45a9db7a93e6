"""What one customer may have, over HTTP: so many open bookings of a service, and no two visits at
once. Signed-in customers only; no listing shows it, and no hold promises it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    BOOK as BOOKING,
)
from tests.builders import (
    TODAY,
    Api,
    Caller,
    Json,
    a_booking,
    a_provider,
    a_service,
    instant,
    listed,
    made,
    utc,
)
from tests.integration.test_batching import Statements
from tests.lives import MOVE, booked, cancel, hold, move, new_key, release, try_booking
from tests.visits import a_room, a_treatment, a_visit, try_move, try_visit

NINE, HALF_PAST, TEN, ELEVEN, TWELVE = utc(str(TODAY), "09:00", "09:30", "10:00", "11:00", "12:00")
EMAIL = "kim@example.com"
UPDATE_SERVICE = """
    mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) {
        __typename ... on Service { maxOpenPerCustomer } ... on InvalidInputError { field }
    } }
"""
CREATE_SERVICE = UPDATE_SERVICE.replace("Update", "Create").replace("update", "create")
UPDATE_ORGANIZATION = """
    mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) {
        __typename ... on Organization { allowsCustomerOverlap } ... on InvalidInputError { field }
    } }
"""


async def change(
    api: Api, document: str, values: Mapping[str, object], caller: Caller | None = None
) -> Json:
    answer: Json = (await api.ask(document, caller=caller or api.admin, input=values))["answer"]
    return answer


async def forbid_overlap(api: Api, *, forbidden: bool = True) -> None:
    """From now on, nobody may be in two places at once."""
    answer = await change(api, UPDATE_ORGANIZATION, {"allowsCustomerOverlap": not forbidden})
    assert made(answer, "Organization")["allowsCustomerOverlap"] is not forbidden


def kim(api: Api) -> Caller:
    return api.customer("kim", name="Kim", email=EMAIL)


def refused(answer: Json) -> list[str]:
    """The reasons."""
    reasons: list[str] = made(answer, "SlotUnavailableError")["reasons"]
    return reasons


def of_guest(**values: object) -> dict[str, Any]:
    """A guest's booking with Kim's address."""
    return {"customer": {"name": "Kim", "email": EMAIL}, **values}


# ---------------------------------------------------------------- set


async def test_a_limit_of_open_bookings_is_set_shown_and_taken_back(api: Api) -> None:
    ada = await a_provider(api)
    values: Json = {"name": "Cut", "durationMinutes": 30, "providerIds": [ada["id"]]}
    created: Json
    given: Json
    for given, expected in (({}, None), ({"maxOpenPerCustomer": 10_000}, 10_000)):
        created = made(await change(api, CREATE_SERVICE, values | given), "Service")
        assert created["maxOpenPerCustomer"] == expected
    service = await a_service(api, ada)
    for changed, expected in (
        ({"maxOpenPerCustomer": 1}, 1),
        ({"name": "Colour"}, 1),
        ({"maxOpenPerCustomer": None}, None),
    ):
        answer = await change(api, UPDATE_SERVICE, {"id": service["id"], **changed})
        assert made(answer, "Service")["maxOpenPerCustomer"] == expected
    for most in (0, 10_001):
        for document, given in (
            (UPDATE_SERVICE, {"id": service["id"]}),
            (CREATE_SERVICE, values),
        ):
            answer = await change(api, document, given | {"maxOpenPerCustomer": most})
            assert made(answer, "InvalidInputError")["field"] == "maxOpenPerCustomer"


async def test_only_administrators_say_whether_customers_may_be_in_two_places(api: Api) -> None:
    shown = "{ organization { allowsCustomerOverlap } }"
    ada = await a_provider(api)
    assert (await api.ask(shown, caller=api.admin))["organization"]["allowsCustomerOverlap"]
    for caller in (api.acting_for(ada), kim(api), api.anonymous):
        answer = await change(api, UPDATE_ORGANIZATION, {"allowsCustomerOverlap": False}, caller)
        made(answer, "NotAllowedError")
    answer = await change(api, UPDATE_ORGANIZATION, {"allowsCustomerOverlap": None})
    assert made(answer, "InvalidInputError")["field"] == "allowsCustomerOverlap"
    await forbid_overlap(api)
    answer = await change(api, UPDATE_ORGANIZATION, {"smsToUnverifiedNumbers": True})
    assert made(answer, "Organization")["allowsCustomerOverlap"] is False
    found = await api.ask(shown, caller=api.acting_for(ada))
    assert found["organization"]["allowsCustomerOverlap"] is False
    hidden = (await api.ask(shown, caller=kim(api)))["organization"]
    assert hidden == {"allowsCustomerOverlap": None}


# ---------------------------------------------------------------- so many open bookings


async def test_one_more_than_a_customer_may_have_open_is_refused_at_any_time(api: Api) -> None:
    """With no other times: none would help. Other services, customers, guests with the same address
    and staff are not limited.
    """
    ada, bea = await a_provider(api), await a_provider(api)
    cut = (await a_service(api, ada, bea, maxOpenPerCustomer=2))["id"]
    colour = (await a_service(api, ada, maxOpenPerCustomer=1))["id"]
    await booked(api, ada, NINE, caller=kim(api), serviceId=cut)
    await booked(api, bea, NINE, caller=kim(api), serviceId=cut)
    offered = await listed(api, ada)
    answer = await try_booking(api, ada, TEN, caller=kim(api), serviceId=cut)
    assert refused(answer) == ["LIMIT_REACHED"]
    assert answer["alternatives"] == []
    assert await listed(api, ada) == offered
    assert TEN in offered
    await booked(api, ada, TEN, caller=kim(api), serviceId=colour)
    await booked(api, ada, ELEVEN, caller=api.customer("lee"), serviceId=cut, **of_guest())
    await booked(api, bea, ELEVEN, serviceId=cut, **of_guest())
    await booked(api, bea, TWELVE, caller=api.admin, serviceId=cut, **of_guest())


async def test_bookings_that_are_cancelled_or_over_are_not_open(api: Api) -> None:
    ada = await a_provider(api)
    cut = (await a_service(api, ada, maxOpenPerCustomer=1))["id"]
    first = await booked(api, ada, NINE, caller=kim(api), serviceId=cut)
    assert refused(await try_booking(api, ada, TEN, caller=kim(api), serviceId=cut))
    made(await cancel(api, first), "Appointment")
    await booked(api, ada, TEN, caller=kim(api), serviceId=cut)
    until = instant(TEN) + timedelta(minutes=30)
    for now, is_open in ((until - timedelta(seconds=1), True), (until, False)):
        api.clock.now = now
        answer = await try_booking(api, ada, ELEVEN, caller=kim(api), serviceId=cut)
        made(answer, "SlotUnavailableError" if is_open else "BookingConfirmation")


async def test_the_same_request_again_is_not_one_more(api: Api) -> None:
    ada = await a_provider(api)
    cut = (await a_service(api, ada, maxOpenPerCustomer=1))["id"]
    values = {"serviceId": cut, "idempotencyKey": "once", **of_guest()}
    first = await booked(api, ada, NINE, caller=kim(api), **values)
    again = await booked(api, ada, NINE, caller=kim(api), **values)
    assert again["appointment"]["id"] == first["appointment"]["id"]


async def test_a_move_is_not_one_more_open_booking(api: Api) -> None:
    ada = await a_provider(api)
    cut = (await a_service(api, ada, maxOpenPerCustomer=1))["id"]
    first = await booked(api, ada, NINE, caller=kim(api), serviceId=cut)
    for starts_at, caller in ((TEN, kim(api)), (ELEVEN, None), (TWELVE, api.admin)):
        made(await move(api, first, starts_at, caller=caller), "BookingConfirmation")


async def test_a_hold_does_not_promise_what_the_customer_may_not_have(api: Api) -> None:
    """The refused hold stays, and a guest may still use it."""
    ada, bea = await a_provider(api), await a_provider(api)
    cut = (await a_service(api, ada, bea, maxOpenPerCustomer=1))["id"]
    await forbid_overlap(api)
    first = await booked(api, ada, NINE, caller=kim(api), serviceId=cut)
    later = made(await hold(api, ada, TEN, caller=kim(api), serviceId=cut), "Hold")
    same = made(await hold(api, bea, NINE, caller=kim(api)), "Hold")
    token = {"holdToken": later["holdToken"], "serviceId": cut}
    answer = await try_booking(api, ada, TEN, caller=kim(api), **token)
    assert refused(answer) == ["LIMIT_REACHED"]
    answer = await try_booking(api, bea, NINE, caller=kim(api), holdToken=same["holdToken"])
    assert refused(answer) == ["CUSTOMER_BUSY"]
    made(await cancel(api, first), "Appointment")
    await booked(api, ada, TEN, caller=kim(api), **token)
    made(await release(api, same["holdToken"]), "Hold")


async def test_visits_of_teams_and_rooms_count_as_any_other(api: Api) -> None:
    ada, bea = await a_provider(api), await a_provider(api)
    room = await a_room(api, units=4)
    massage = await a_treatment(api, ada, bea, rooms=[room], maxOpenPerCustomer=2)
    await forbid_overlap(api)
    await a_visit(api, massage, NINE, caller=kim(api))
    assert refused(await try_visit(api, massage, NINE, caller=kim(api))) == ["CUSTOMER_BUSY"]
    second = await a_visit(api, massage, TEN, bea, caller=kim(api))
    assert refused(await try_visit(api, massage, ELEVEN, caller=kim(api))) == ["LIMIT_REACHED"]
    assert refused(await try_visit(api, massage, NINE, caller=kim(api))) == [
        "LIMIT_REACHED",
        "CUSTOMER_BUSY",
    ]
    answer = await try_move(api, second, NINE, caller=api.admin)
    assert refused(answer) == ["CUSTOMER_BUSY"]


# ---------------------------------------------------------------- in two places at once


async def test_nobody_is_in_two_places_at_once_where_that_is_not_allowed(api: Api) -> None:
    """Visits that touch are fine, and so is everything before the organization forbids it."""
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    short = (await a_service(api, cleo))["id"]
    await booked(api, ada, NINE, caller=kim(api))
    await booked(api, bea, NINE, caller=kim(api))
    await forbid_overlap(api)
    for starts_at in (NINE, HALF_PAST):
        answer = await try_booking(api, cleo, starts_at, caller=kim(api), serviceId=short)
        assert refused(answer) == ["CUSTOMER_BUSY"]
        assert answer["alternatives"]
    assert {NINE, HALF_PAST} <= set(await listed(api, cleo, serviceId=short))
    await booked(api, cleo, TEN, caller=kim(api), serviceId=short)
    # Somebody else, a guest with the same address, and staff for them: nobody knows who they are.
    await booked(api, cleo, NINE, caller=api.customer("lee"), serviceId=short, **of_guest())
    await booked(api, cleo, HALF_PAST, serviceId=short, **of_guest())
    await booked(api, ada, TEN, caller=api.admin, **of_guest())
    await booked(api, bea, TEN, **of_guest())
    # And their bookings are in nobody's way.
    await booked(api, ada, ELEVEN, **of_guest())
    await booked(api, bea, ELEVEN, caller=kim(api))
    await forbid_overlap(api, forbidden=False)
    await booked(api, cleo, ELEVEN, caller=kim(api))


async def test_a_move_into_another_visit_is_refused_for_every_caller(api: Api) -> None:
    """But it does not overlap itself, and a guest's is not checked."""
    ada, bea = await a_provider(api, slotIntervalMinutes=30), await a_provider(api)
    await forbid_overlap(api)
    await booked(api, bea, ELEVEN, caller=kim(api))
    first = await booked(api, ada, NINE, caller=kim(api))
    made(await move(api, first, HALF_PAST, caller=kim(api)), "BookingConfirmation")
    for caller in (kim(api), api.admin, api.acting_for(ada), None):
        answer = await move(api, first, instant(TEN) + timedelta(minutes=30), caller=caller)
        assert refused(answer) == ["CUSTOMER_BUSY"]
        assert answer["alternatives"]
    made(await move(api, first, TEN), "BookingConfirmation")
    await booked(api, bea, TWELVE, **of_guest())
    guest = await booked(api, ada, ELEVEN, **of_guest())
    made(await move(api, guest, TWELVE), "BookingConfirmation")


async def test_an_appointment_that_keeps_its_time_is_handed_over_without_a_check(
    api: Api,
) -> None:
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    cut = await a_service(api, ada, bea)
    await booked(api, cleo, NINE, caller=kim(api))
    first = await booked(api, ada, NINE, caller=kim(api), serviceId=cut["id"])
    await forbid_overlap(api)
    handed = await try_move(api, first, NINE, caller=api.admin, providerIds=[bea["id"]])
    assert made(handed, "BookingConfirmation")["appointment"]["provider"]["id"] == bea["id"]
    answer = await try_move(api, first, HALF_PAST, caller=api.admin)
    assert refused(answer) == ["CUSTOMER_BUSY"]


async def test_customers_of_other_organizations_are_others(api: Api) -> None:
    other = await api.another_organization()
    ada, bea = await a_provider(api), await a_provider(api, of=other)
    await forbid_overlap(api)
    await booked(api, bea, NINE, caller=other.customer("kim"), **of_guest())
    await booked(api, ada, NINE, caller=kim(api))


# ---------------------------------------------------------------- what it costs


@pytest.mark.usefixtures("one_postgres")
async def test_where_nothing_is_limited_nothing_more_is_sent(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A booking or a move is then a look and a statement that writes. Where something is limited it
    goes the long way, which looks at the customer's visits.
    """
    statements = Statements(monkeypatch)
    ada = await a_provider(api)
    free = (await a_service(api, ada))["id"]
    limited = (await a_service(api, ada, maxOpenPerCustomer=9))["id"]
    first = await booked(api, ada, "2026-01-14T09:00:00Z", caller=kim(api), serviceId=limited)

    async def sent(document: str, wish: Json, caller: Caller) -> Counter[str]:
        names = await statements.of(api, document, caller=caller, input=wish)
        # What the answer shows may be known already.
        found = Counter(name for name in names if not name.endswith("_by_ids"))
        found["executed"] = len(statements.executed)
        return found

    async def booking(starts_at: str, **changes: object) -> Counter[str]:
        return await sent(BOOKING, a_booking(ada, starts_at, **changes), kim(api))

    async def moving(starts_at: str) -> Counter[str]:
        wish = {"appointmentId": first["appointment"]["id"], "startsAt": starts_at}
        return await sent(MOVE, wish | {"idempotencyKey": new_key()}, kim(api))

    short = Counter(["look_before_booking", "customer_by_subject", "book_as_seen"])
    assert await booking(NINE, serviceId=free) == short + Counter(["calendars"])
    assert await booking("2026-01-12T09:30:00Z", serviceId=free) == short
    counting = Counter(["visits_of_customer"])
    counted = counting + Counter(
        ["before_booking", "calendars", "claims_under_lock", "customer_by_subject", "executed"]
    )
    assert await booking(TEN, serviceId=limited) == counted
    look = Counter(["look_before_change"])
    assert await moving("2026-01-14T10:00:00Z") == look + Counter(
        ["customer_by_subject", "several"]
    )
    await forbid_overlap(api)
    looked = Counter(["look_before_booking"])
    assert await booking(ELEVEN, serviceId=free) == counted + looked
    counted = counting + Counter(
        ["before_move", "appointment_for_update", "customer_remains", "claims_of_appointment"]
    )
    counted += Counter(["calendars", "claims_under_lock", "customer_by_subject"])
    assert await moving("2026-01-14T11:00:00Z") == look + counted + Counter(executed=5)
