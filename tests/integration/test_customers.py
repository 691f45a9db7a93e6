"""Customers: who changes a record, what guests share, and what an erasure leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.api.words.relay import global_id
from app.core.appointment import Appointment
from app.core.ids import AppointmentId, ProviderId
from app.core.refusals import NotAllowed, NotFound
from app.core.validation import ContactForm
from app.core.viewer import Role, Viewer
from app.store.pool import transaction
from app.usecases.booking.book_appointment import BookingForm, book_appointment
from app.usecases.booking.cancel_appointment import CancellationForm, cancel_appointment
from app.usecases.booking.hold_slot import HoldForm, hold_slot
from app.usecases.booking.reschedule_appointment import MoveForm, reschedule_appointment
from app.usecases.callers.identify import with_records
from app.usecases.practice.edit_customer import change_customer
from tests.builders import (
    Api,
    Caller,
    Json,
    a_provider,
    an_appointment,
    blocked_by,
    book,
    key_in,
    weekly,
)

UPDATE = """mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) {
  __typename ... on Customer { id name email phone timeZone locale } ... on InvalidInputError { field message }
  ... on UserError { code } } }"""
ERASE = """mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) {
  __typename ... on Customer { name email phone locale } ... on UserError { code } } }"""
BEHIND = """query ($id: ID!) { appointment(id: $id) { contact { name email phone } notes startsAt status
  customer { id name email } history { actorSubject } } }"""


async def _provider(api: Api) -> Json:
    return await a_provider(api, serviceDurationMinutes=60, weeklyHours=weekly("09:00", "17:00"))


async def _change(api: Api, caller: Caller, customer: str, **changes: object) -> Json:
    answer: Json = (await api.ask(UPDATE, caller=caller, input={"id": customer, **changes}))[
        "answer"
    ]
    return answer


async def _behind(api: Api, booked: Json, caller: Caller | None = None) -> Json:
    found = await api.ask(BEHIND, caller=caller or api.admin, id=booked["appointment"]["id"])
    appointment: Json = found["appointment"]
    return appointment


async def test_guests_with_one_address_are_one_customer_and_never_an_account(api: Api) -> None:
    """Staff see one record behind both bookings; the account with the same address is another."""
    ada = await _provider(api)
    contact = {"name": "Kim", "email": "kim@example.com"}
    first = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=contact)
    second = await an_appointment(
        api, ada, "2026-01-13T10:00Z", customer={"name": "Kim Other", "email": "KIM@example.com"}
    )
    account = api.customer("kim")
    third = await an_appointment(api, ada, "2026-01-13T11:00Z", caller=account, customer=contact)
    records = [(await _behind(api, each))["customer"] for each in (first, second, third)]
    assert records[0] == records[1]
    assert records[0]["name"] == "Kim", "a later booking changes nothing of the record"
    assert records[2]["id"] != records[0]["id"]
    assert (await _behind(api, second))["contact"]["name"] == "Kim Other", (
        "each appointment keeps its contact as given"
    )


async def test_guests_are_one_by_the_domain_in_dns(api: Api) -> None:
    """In its own letters or in A-labels; `fass.de` is somebody else's."""
    ada = await _provider(api)
    records = []
    for hour, domain in ((9, "faß.de"), (10, "xn--fa-hia.de"), (11, "fass.de")):
        contact = {"name": "Kim", "email": f"kim@{domain}"}
        booked = await an_appointment(api, ada, f"2026-01-13T{hour:02}:00Z", customer=contact)
        records.append((await _behind(api, booked))["customer"]["id"])
    assert records[0] == records[1] != records[2]


async def test_a_record_is_changed_by_its_customer_and_administrators(api: Api) -> None:
    """For other customers it does not exist, and providers change none; appointments keep the
    contact as it was given.
    """
    ada, bob = await _provider(api), await _provider(api)
    account = api.customer("kim")
    booked = await an_appointment(
        api,
        ada,
        "2026-01-13T09:00Z",
        caller=account,
        customer={"name": "Kim", "email": "kim@example.com"},
    )
    customer = (await _behind(api, booked))["customer"]["id"]
    assert (await _change(api, account, customer, name="Kim B"))["name"] == "Kim B"
    changed = await _change(api, api.admin, customer, locale="de-AT", timeZone="Europe/Vienna")
    assert changed["locale"] == "de-AT"
    other = await api.another_organization()
    link = Caller(token=booked["manageToken"])
    refused = {
        "its provider": (api.acting_for(ada), "NotAllowedError"),
        "another provider": (api.acting_for(bob), "NotAllowedError"),
        "another customer": (api.customer("else"), "NotFoundError"),
        "nobody": (api.anonymous, "NotAllowedError"),
        "its manage token": (link, "NotAllowedError"),
        "another organization's administrator": (other.admin, "NotFoundError"),
    }
    for who, (caller, answer) in refused.items():
        assert (await _change(api, caller, customer, name="No"))["__typename"] == answer, who
    assert (await _behind(api, booked))["contact"]["name"] == "Kim"


async def test_booking_somebody_by_their_email_gives_a_provider_nothing_of_them(api: Api) -> None:
    """Bob books with the e-mail of Ada's guest, and has what he typed: not the guest's name, phone
    or words, nor a say in their messages. Administrators see the one record behind both.
    """
    ada, bob = await _provider(api), await _provider(api)
    kim = {"name": "Kim", "email": "kim@example.com", "phone": "+4930901820"}
    of_ada = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=kim)
    fishing = await an_appointment(
        api,
        bob,
        "2026-01-13T09:00Z",
        caller=api.acting_for(bob),
        customer={"name": "x", "email": "KIM@example.com"},
    )
    customer = (await _behind(api, fishing))["customer"]["id"]
    assert customer == (await _behind(api, of_ada))["customer"]["id"]
    typed = {"name": "x", "email": "KIM@example.com", "phone": None}
    shown = await _behind(api, fishing, api.acting_for(bob))
    assert shown["contact"] == typed
    assert shown["customer"] == {"id": customer, "name": "x", "email": "KIM@example.com"}
    record = (
        """... on Customer { name email phone locale channels timeZone createdAt externalId }"""
    )
    for document in (
        f"query ($id: ID!) {{ answer: node(id: $id) {{ {record} }} }}",
        f"query ($id: ID!) {{ answer: customer(id: $id) {{ {record} }} }}",
    ):
        seen = (await api.ask(document, caller=api.acting_for(bob), id=customer))["answer"]
        assert seen == typed | {
            "locale": None,
            "channels": None,
            "timeZone": fishing["appointment"]["customerTimeZone"],
            "createdAt": fishing["appointment"]["createdAt"],
            "externalId": None,
        }
    for word, found in (("x", [customer]), ("kim@ex", [customer]), ("4930", []), ("030", [])):
        answer = await api.ask(
            "query ($search: String) { customers(search: $search) { totalCount nodes { id } } }",
            caller=api.acting_for(bob),
            search=word,
        )
        assert [each["id"] for each in answer["customers"]["nodes"]] == found, word
    tries: list[Json] = [{"channels": []}, {"phone": "+4930901821"}, {"name": "y"}]
    for changes in tries:
        refused = await _change(api, api.acting_for(bob), customer, **changes)
        assert refused["__typename"] == "NotAllowedError"


async def test_a_record_keeps_a_way_to_be_reached(api: Api) -> None:
    """Null clears an address, but not the last one; what can't be kept is refused by its field."""
    ada = await _provider(api)
    booked = await an_appointment(
        api, ada, "2026-01-13T09:00Z", customer={"name": "Kim", "email": "kim@example.com"}
    )
    customer = (await _behind(api, booked))["customer"]["id"]
    refused = await _change(api, api.admin, customer, email=None)
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "email")
    assert (await _change(api, api.admin, customer, email=None, phone="+4930901820"))[
        "email"
    ] is None
    assert (await _change(api, api.admin, customer, timeZone="Mars/Base"))["field"] == "timeZone"
    assert (await _change(api, api.admin, customer, name=None))["field"] == "name"


async def test_a_guests_address_has_one_record(api: Api) -> None:
    """The second one is refused by the field, also where a guest books with the address at
    the same moment.
    """
    ada = await _provider(api)
    kim = await an_appointment(
        api, ada, "2026-01-13T09:00Z", customer={"name": "Kim", "email": "kim@example.com"}
    )
    await an_appointment(
        api, ada, "2026-01-13T10:00Z", customer={"name": "Lee", "email": "lee@example.com"}
    )
    customer = (await _behind(api, kim))["customer"]["id"]
    refused = await _change(api, api.admin, customer, email="lee@example.com")
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "email")
    for at in range(6):
        address = f"new-{at}@example.com"
        starts = f"2026-01-{14 + at // 7:02}T{9 + at:02}:00Z"
        changed, booked = await asyncio.gather(
            _change(api, api.admin, customer, email=address),
            book(api, ada, starts, customer={"name": "New", "email": address}),
        )
        assert booked["__typename"] == "BookingConfirmation"
        assert changed["__typename"] in {"Customer", "InvalidInputError"}
    found = await api.rows(
        (
            "SELECT lower(email) FROM customer WHERE organization_id = $1 AND subject IS NULL GROUP "
            "BY "
            "1 HAVING count(*) > 1"
        ),
        api.organization.id,
    )
    assert found == []


async def test_an_erasure_leaves_times_and_nobody(api: Api) -> None:
    """Names, addresses, notes, reasons and subjects are gone from every table; when somebody came
    stays.
    """
    ada = await _provider(api)
    account = api.customer("kim-subject")
    booked = await an_appointment(
        api,
        ada,
        "2026-01-13T09:00Z",
        caller=account,
        customer={"name": "Kim Xyzzy", "email": "xyzzy@example.com", "phone": "+49305559917"},
        notes="Xyzzy hurts",
    )
    customer = (await _behind(api, booked))["customer"]["id"]
    refused = (await api.ask(ERASE, caller=account, input={"id": customer}))["answer"]
    assert refused["__typename"] == "NotAllowedError"
    unknown = global_id("Customer", key_in(ada["id"]))
    assert (await api.ask(ERASE, caller=api.admin, input={"id": unknown}))["answer"][
        "__typename"
    ] == "NotFoundError"
    for _ in range(2):
        erased = (await api.ask(ERASE, caller=api.admin, input={"id": customer}))["answer"]
        assert (erased["__typename"], erased["email"], erased["phone"]) == ("Customer", None, None)
    left = await _behind(api, booked)
    assert (left["startsAt"], left["status"], left["notes"]) == (
        "2026-01-13T09:00:00Z",
        "CONFIRMED",
        None,
    )
    tables = await api.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND "
        "table_type = 'BASE TABLE'"
    )
    for table in (row["table_name"] for row in tables):
        found = await api.rows(
            f"SELECT 1 FROM {table} AS kept WHERE to_jsonb(kept)::text ~* "
            "'xyzzy|kim-subject|49305559917'"
        )
        assert found == [], table


# ---------------------------------------------------------------- what was on its way meanwhile


async def _identified_then_erased(api: Api) -> tuple[Json, Json, Viewer]:
    """Kim's visit, and Kim as a request of theirs was identified just before the erasure."""
    ada = await _provider(api)
    contact = {"name": "Kim Xyzzy", "email": "xyzzy@example.com"}
    visit = await an_appointment(
        api, ada, "2026-01-13T09:00Z", caller=api.customer("xyzzy"), customer=contact
    )
    viewer = await with_records(
        api.resources,
        Viewer(
            organization_id=api.organization.id,
            role=Role.CUSTOMER,
            subject="xyzzy",
            name="Kim Xyzzy",
            email="xyzzy@example.com",
        ),
    )
    assert viewer.customer_id is not None
    await _erase(api, visit)
    return ada, visit, viewer


async def _erase(api: Api, visit: Json) -> None:
    customer = (await _behind(api, visit))["customer"]["id"]
    erased = (await api.ask(ERASE, caller=api.admin, input={"id": customer}))["answer"]
    assert erased["__typename"] == "Customer"


async def _left_of(api: Api, words: str) -> list[str]:
    """The tables in which anything is left."""
    tables = await api.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND "
        "table_type = 'BASE TABLE'"
    )
    return [
        row["table_name"]
        for row in tables
        if await api.rows(
            f"SELECT 1 FROM {row['table_name']} AS kept WHERE to_jsonb(kept)::text ~* $1", words
        )
    ]


async def test_what_was_identified_before_an_erasure_writes_nobody_back(api: Api) -> None:
    """A booking, a hold, a move, a cancellation and a change of the record, each by a caller who
    was identified before; afterwards nothing of them is stored.
    """
    ada, visit, kim = await _identified_then_erased(api)
    appointment = AppointmentId(key_in(visit["appointment"]["id"]))
    provider = ProviderId(key_in(ada["id"]))
    tomorrow = datetime(2026, 1, 14, 9, tzinfo=UTC)
    contact = ContactForm(name="Kim Xyzzy", email="xyzzy@example.com", phone=None, locale=None)
    for given in (None, contact):
        form = BookingForm(
            provider_id=provider,
            service_id=None,
            starts_at=tomorrow,
            duration_minutes=None,
            customer=given,
            customer_time_zone="UTC",
            notes="xyzzy",
            idempotency_key="late",
        )
        assert isinstance(await book_appointment(api.resources, kim, form), NotAllowed)
    holding = HoldForm(
        provider_id=provider, service_id=None, starts_at=tomorrow, idempotency_key="late"
    )
    assert isinstance(await hold_slot(api.resources, kim, holding), NotAllowed)
    moving = MoveForm(
        appointment_id=appointment,
        starts_at=tomorrow,
        expected_version=None,
        idempotency_key="late",
        manage_token=None,
    )
    assert isinstance(await reschedule_appointment(api.resources, kim, moving), NotFound)
    cancelling = CancellationForm(
        appointment_id=appointment,
        reason="xyzzy",
        expected_version=None,
        accept_fee_minor=None,
        manage_token=None,
    )
    assert isinstance(await cancel_appointment(api.resources, kim, cancelling), NotFound)
    assert kim.customer_id is not None
    for who in (kim, replace(kim, role=Role.ADMIN, customer_id=None)):
        changed = await change_customer(
            api.resources, who, kim.customer_id, {"name": "Kim Xyzzy", "channels": []}
        )
        assert isinstance(changed, NotFound)
    assert await _left_of(api, "xyzzy") == []
    # The link still cancels; what its holder says about it is not kept.
    link = replace(cancelling, manage_token=visit["manageToken"])
    nobody = Viewer(organization_id=api.organization.id)
    cancelled = await cancel_appointment(api.resources, nobody, link)
    assert isinstance(cancelled, Appointment)
    assert await _left_of(api, "xyzzy") == []


async def test_who_was_erased_may_come_back_as_somebody_new(api: Api) -> None:
    """A request that is identified after the erasure is a first one."""
    ada, visit, _kim = await _identified_then_erased(api)
    again = await an_appointment(
        api,
        ada,
        "2026-01-14T09:00Z",
        caller=api.customer("xyzzy"),
        customer={"name": "Kim", "email": "kim@example.com"},
    )
    before, after = await _behind(api, visit), await _behind(api, again)
    assert (before["customer"]["name"], after["customer"]["name"]) == ("Erased", "Kim")
    assert before["customer"]["id"] != after["customer"]["id"]


@pytest.mark.parametrize("account", [True, False])
async def test_a_booking_and_an_erasure_at_once_end_as_one_after_the_other(
    api: Api,
    account: bool,  # noqa: FBT001  pytest passes it by name
) -> None:
    """Either the booking came first and was erased too, or it came after: then an account was
    refused, and a guest is a new customer. Never does an erased record have words.
    """
    ada = await _provider(api)
    for day in range(13, 25):
        caller = api.customer(f"kim-{day}") if account else None
        contact = {"name": f"Kim {day}", "email": f"kim-{day}@example.com"}
        visit = await an_appointment(
            api, ada, f"2026-01-{day}T09:00Z", caller=caller, customer=contact
        )
        await asyncio.gather(
            _erase(api, visit),
            *(
                book(api, ada, f"2026-01-{day}T{hour}:00Z", caller=caller, customer=contact)
                for hour in (10, 11, 12)
            ),
        )
    found = await api.rows(
        "SELECT appointment.contact_name FROM appointment JOIN customer ON customer.id = customer_id "
        "AND customer.organization_id = appointment.organization_id "
        "WHERE appointment.organization_id = $1 AND erased_at IS NOT NULL AND contact_name <> 'Erased'",
        api.organization.id,
    )
    assert found == []


async def test_a_booking_waits_for_the_erasure_that_has_begun(api: Api) -> None:
    """It has looked the customer up before, and finds them gone: the guest's booking is that of a
    new customer.
    """
    ada = await _provider(api)
    contact = {"name": "Kim", "email": "kim@example.com"}
    visit = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=contact)
    customer = key_in((await _behind(api, visit))["customer"]["id"])
    async with transaction(api.resources.pool) as erasing:
        await erasing.execute(
            "SELECT id FROM customer WHERE organization_id = $1 AND id = $2 FOR UPDATE",
            [api.organization.id, customer],
        )
        booking = asyncio.create_task(book(api, ada, "2026-01-13T10:00Z", customer=contact))
        await blocked_by(api, erasing)
        await erasing.execute(
            "UPDATE customer SET email = NULL, name = 'Erased', erased_at = now() "
            "WHERE organization_id = $1 AND id = $2",
            [api.organization.id, customer],
        )
    booked = await booking
    assert key_in((await _behind(api, booked))["customer"]["id"]) != customer
