"""Staff book for a known customer, by their id: whom they may name, whose record it is, and what
counts for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.builders import TODAY, Api, Caller, Json, a_provider, a_service, made, utc
from tests.integration.test_customer_limits import forbid_overlap, kim, of_guest, refused
from tests.integration.test_customers import ERASE
from tests.integration.test_people import a_customer
from tests.integration.test_session_changes import move_session, session_of
from tests.lives import booked, cancel, hold, move, new_key, try_booking
from tests.visits import a_treatment, a_visit

NINE, TEN, ELEVEN, TWELVE, ONE = utc(str(TODAY), "09:00", "10:00", "11:00", "12:00", "13:00")
CONTACT = {"name": "Kim", "email": "kim@example.com"}
MINE = "{ appointments { nodes { id } } }"


def customer_of(confirmation: Json) -> str:
    customer_id: str = confirmation["appointment"]["customer"]["id"]
    return customer_id


async def an_account(api: Api, provider: Json, starts_at: str = NINE) -> str:
    """The record of Kim's account, once they booked this."""
    return customer_of(await booked(api, provider, starts_at, caller=kim(api), customer=CONTACT))


async def customer_behind(api: Api, confirmation: Json) -> str:
    """Where who booked may not see the record."""
    document = "query ($id: ID!) { appointment(id: $id) { customer { id } } }"
    found = await api.ask(document, caller=api.admin, id=confirmation["appointment"]["id"])
    return customer_of(found)


async def test_staff_book_for_an_account_and_it_is_that_customers_appointment(api: Api) -> None:
    """With the contact of their record; another one is that of the appointment only."""
    ada = await a_provider(api)
    customer = await an_account(api, ada)
    first = await booked(api, ada, TEN, caller=api.admin, customer=None, customerId=customer)
    mother = {"name": "Kim's mother", "email": "mother@example.com"}
    second = await booked(api, ada, ELEVEN, caller=api.admin, customer=mother, customerId=customer)
    assert (customer_of(first), customer_of(second)) == (customer, customer)
    assert first["appointment"]["contact"] == CONTACT
    assert second["appointment"]["contact"] == mother
    mine = (await api.ask(MINE, caller=kim(api)))["appointments"]["nodes"]
    assert {first["appointment"]["id"], second["appointment"]["id"]} < {each["id"] for each in mine}


async def test_administrators_name_any_customer_and_providers_those_whom_they_serve(
    api: Api,
) -> None:
    """Also as one of several, and also where all is cancelled. Customers and guests name nobody."""
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    together = await a_treatment(api, ada, bea, needed=2)
    visit = await a_visit(api, together, NINE, ada, bea, caller=kim(api))
    customer = await customer_behind(api, visit)
    made(await cancel(api, visit), "Appointment")
    other = await api.another_organization()
    named: Json = {"customer": None, "customerId": customer}
    for provider, starts_at in ((ada, TEN), (bea, TEN)):
        caller = api.acting_for(provider)
        confirmation = await booked(api, provider, starts_at, caller=caller, **named)
        assert await customer_behind(api, confirmation) == customer
    await booked(api, cleo, TEN, caller=api.admin, **named)
    link = Caller(token=visit["manageToken"])
    dora = await a_provider(api)
    for caller, answer in (
        (api.acting_for(dora), "NotFoundError"),
        (other.admin, "NotFoundError"),
        (kim(api), "NotAllowedError"),
        (api.anonymous, "NotAllowedError"),
        (link, "NotAllowedError"),
    ):
        made(await try_booking(api, dora, ELEVEN, caller=caller, **named), answer)
        given = named | {"customer": CONTACT}
        made(await try_booking(api, dora, ELEVEN, caller=caller, **given), answer)


async def test_nobody_books_for_a_customer_who_is_erased_or_never_was(api: Api) -> None:
    ada = await a_provider(api)
    guest = customer_of(await booked(api, ada, NINE, caller=api.admin, **of_guest()))
    erased = await api.ask(ERASE, caller=api.admin, input={"id": guest})
    made(erased["answer"], "Customer")
    for customer in (guest, ada["id"], "nonsense"):
        answer = await try_booking(
            api, ada, TEN, caller=api.admin, customer=None, customerId=customer
        )
        assert made(answer, "NotFoundError")["message"] == (
            "There is no such customer here. Check its id."
        )


async def test_a_retry_gives_the_same_appointment_and_another_customer_is_another_request(
    api: Api,
) -> None:
    ada = await a_provider(api)
    account = await an_account(api, ada)
    guest = customer_of(await booked(api, ada, TEN, caller=api.admin, **of_guest()))
    values: Json = {"caller": api.admin, "customer": None, "idempotencyKey": new_key()}
    first = await booked(api, ada, ELEVEN, customerId=account, **values)
    again = await booked(api, ada, ELEVEN, customerId=account, **values)
    assert again["appointment"]["id"] == first["appointment"]["id"]
    answer = await try_booking(api, ada, ELEVEN, customerId=guest, **values)
    made(answer, "IdempotencyKeyReusedError")


async def test_what_a_named_customer_may_have_open_counts_their_own_bookings_and_staffs(
    api: Api,
) -> None:
    """Of an account, and of a guest whom staff name; not of one who types an address."""
    ada = await a_provider(api)
    cut = (await a_service(api, ada, maxOpenPerCustomer=2))["id"]
    account = customer_of(await booked(api, ada, NINE, caller=kim(api), serviceId=cut))
    named: Json = {"caller": api.admin, "serviceId": cut, "customer": None}
    await booked(api, ada, TEN, customerId=account, **named)
    answer = await try_booking(api, ada, ELEVEN, customerId=account, **named)
    assert refused(answer) == ["LIMIT_REACHED"]
    assert answer["alternatives"] == []
    answer = await try_booking(api, ada, ELEVEN, caller=kim(api), serviceId=cut)
    assert refused(answer) == ["LIMIT_REACHED"]
    typed = of_guest(serviceId=cut)
    guest = customer_of(await booked(api, ada, ELEVEN, caller=api.admin, **typed))
    await booked(api, ada, TWELVE, customerId=guest, **named)
    answer = await try_booking(api, ada, "2026-01-14T09:00:00Z", customerId=guest, **named)
    assert refused(answer) == ["LIMIT_REACHED"]
    await booked(api, ada, "2026-01-14T09:00:00Z", **typed)


async def test_a_named_customer_is_not_in_two_places_at_once(api: Api) -> None:
    """Nor is a hold any promise of it. Without the name, nobody knows who they are."""
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    await forbid_overlap(api)
    customer = await an_account(api, ada)
    named: Json = {"caller": api.admin, "customer": None, "customerId": customer}
    answer = await try_booking(api, bea, NINE, **named)
    assert refused(answer) == ["CUSTOMER_BUSY"]
    assert answer["message"].endswith("the same person has another appointment then.")
    kept = made(await hold(api, bea, NINE, caller=api.admin), "Hold")["holdToken"]
    answer = await try_booking(api, bea, NINE, holdToken=kept, **named)
    assert refused(answer) == ["CUSTOMER_BUSY"]
    await booked(api, bea, TEN, **named)
    await booked(api, cleo, NINE, caller=api.admin, **of_guest())


@pytest.mark.parametrize("has_account", [True, False], ids=["an account", "a guest's record"])
async def test_bookings_for_one_customer_at_once_wait_for_one_another(
    api: Api, *, has_account: bool
) -> None:
    """The customer's own, where they have an account, and those of two at the desk."""
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    made_by = kim(api) if has_account else api.admin
    customer = customer_of(await booked(api, ada, ONE, caller=made_by, **of_guest()))
    await forbid_overlap(api)
    named: Json = {"caller": api.admin, "customer": None, "customerId": customer}
    for starts_at in (NINE, TEN, ELEVEN, TWELVE):
        third = (
            try_booking(api, cleo, starts_at, caller=kim(api))
            if has_account
            else try_booking(api, cleo, starts_at, **named)
        )
        answers = await asyncio.gather(
            try_booking(api, ada, starts_at, **named),
            try_booking(api, bea, starts_at, **named),
            third,
        )
        assert Counter(each["__typename"] for each in answers) == {
            "BookingConfirmation": 1,
            "SlotUnavailableError": 2,
        }


async def test_the_number_on_a_named_customers_record_is_not_vouched_for(api: Api) -> None:
    """A guest may have typed it. A number that staff give for the appointment is."""
    ada = await a_provider(api)
    typed, given = "+4930901820", "+4930901821"
    guest = await booked(api, ada, NINE, customer={"name": "Kim", "phone": typed})
    customer = await customer_behind(api, guest)
    named: Json = {"caller": api.admin, "customerId": customer}
    await booked(api, ada, TEN, customer=None, **named)
    verified = "SELECT phone FROM verified_phone WHERE organization_id = $1"
    assert await api.rows(verified, api.organization.id) == []
    await booked(api, ada, ELEVEN, customer={"name": "Kim", "phone": given}, **named)
    assert await api.rows(verified, api.organization.id) == [{"phone": given}]


async def test_what_is_booked_for_whom_staff_entered_is_not_moved_into_another_visit(
    api: Api,
) -> None:
    """No matter who moves it, and a class neither. A guest's record proves nothing, though staff named it
    once.
    """
    ada, bea, cleo = [await a_provider(api) for _ in range(3)]
    yoga = await a_service(api, cleo, durationMinutes=60, seats=4)
    await forbid_overlap(api)
    entered = (await a_customer(api, "Kim"))["id"]
    named: Json = {"caller": api.admin, "customer": None, "customerId": entered}
    await booked(api, ada, NINE, **named)
    visit = await booked(api, bea, TEN, **named)
    seat = await booked(api, {"id": None}, ELEVEN, serviceId=yoga["id"], **named)
    for caller in (None, api.admin, api.acting_for(bea)):
        assert refused(await move(api, visit, NINE, caller=caller)) == ["CUSTOMER_BUSY"]
    session = await session_of(api, seat)
    assert refused(await move_session(api, session, NINE)) == ["CUSTOMER_BUSY"]
    made(await move(api, visit, TWELVE), "BookingConfirmation")
    made(await move_session(api, session, ONE), "Session")
    guest = customer_of(await booked(api, ada, TEN, caller=api.admin, **of_guest()))
    other = await booked(api, bea, ELEVEN, **(named | {"customerId": guest}))
    made(await move(api, other, TEN), "BookingConfirmation")
