"""Customers: who changes a record, what guests share, and what an erasure leaves."""

from __future__ import annotations

import asyncio

from app.api.words.relay import global_id
from tests.builders import Api, Caller, Json, a_provider, an_appointment, book, key_in, weekly

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


async def test_a_record_is_changed_by_its_customer_their_providers_and_administrators(
    api: Api,
) -> None:
    """For everybody else it does not exist; appointments keep the contact as it was given."""
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
    assert (await _change(api, api.acting_for(ada), customer, phone="+49 30 901820"))[
        "phone"
    ] == "+4930901820"
    assert (await _change(api, api.admin, customer, locale="de-AT", timeZone="Europe/Vienna"))[
        "locale"
    ] == "de-AT"
    assert (await _change(api, api.acting_for(bob), customer, name="No"))[
        "__typename"
    ] == "NotFoundError"
    assert (await _change(api, api.customer("else"), customer, name="No"))[
        "__typename"
    ] == "NotFoundError"
    assert (await _change(api, api.anonymous, customer, name="No"))[
        "__typename"
    ] == "NotAllowedError"
    other = await api.another_organization()
    assert (await _change(api, other.admin, customer, name="No"))["__typename"] == "NotFoundError"
    assert (await _behind(api, booked))["contact"]["name"] == "Kim"


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


async def test_a_guests_address_stands_for_one_record(api: Api) -> None:
    """Whoever comes second is refused by the field, also where a guest books with the address at
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
