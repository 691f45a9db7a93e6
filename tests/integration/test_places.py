"""Places: where a visit is, how to reach the practice about it, and what it says of its people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from icalendar import Calendar, Event

from app.core.location import MOST_LOCATIONS
from tests.builders import Api, Json, a_provider, a_service, an_appointment, made, unknown
from tests.integration.reminders import Post, a_post
from tests.lives import booked, cancel, move

CREATE = """mutation ($input: CreateLocationInput!) { answer: createLocation(input: $input) {
    __typename ... on Location { id name address phone email url directions timeZone isArchived externalId }
    ... on UserError { code message } ... on InvalidInputError { field }
} }"""
UPDATE = CREATE.replace("CreateLocationInput", "UpdateLocationInput").replace(
    "createLocation", "updateLocation"
)
UPDATE_ORGANIZATION = """mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) {
    __typename ... on Organization { id name phone email url } ... on UserError { message }
    ... on InvalidInputError { field }
} }"""
UPDATE_PROVIDER = """mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) {
    __typename ... on Provider { description location { id name } } ... on UserError { message }
    ... on InvalidInputError { field }
} }"""
UPDATE_SERVICE = UPDATE_PROVIDER.replace("Provider", "Service")
LOCATIONS = "{ organization { locations { name } } }"
WHERE = "query ($id: ID!) { appointment(id: $id) { location { name } } }"


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    async with a_post(environment) as post:
        yield post


async def a_location(api: Api, **values: object) -> Json:
    given = {"name": "Main practice"} | values
    return made((await api.ask(CREATE, caller=api.admin, input=given))["answer"], "Location")


async def changed(api: Api, mutation: str, **values: object) -> Json:
    answer: Json = (await api.ask(mutation, caller=api.admin, input=values))["answer"]
    return answer


# ---------------------------------------------------------------- locations


async def test_a_location_keeps_what_was_set_and_changes_only_what_is_named(api: Api) -> None:
    place = await a_location(
        api,
        name=" Main practice ",
        address="Invalidenstr. 117\n10115 Berlin",
        phone="+49 30 901820",
        email="hello@PRACTICE.example",
        url="https://practice.example/mitte",
        directions="Second courtyard.\nRing twice.",
        timeZone="Europe/Berlin",
        externalId="mitte",
    )
    whole = {
        "__typename": "Location",
        "id": place["id"],
        "name": "Main practice",
        "address": "Invalidenstr. 117\n10115 Berlin",
        "phone": "+4930901820",
        "email": "hello@practice.example",
        "url": "https://practice.example/mitte",
        "directions": "Second courtyard.\nRing twice.",
        "timeZone": "Europe/Berlin",
        "isArchived": False,
        "externalId": "mitte",
    }
    assert place == whole
    after = await changed(api, UPDATE, id=place["id"], name="Mitte", phone=None)
    assert after == whole | {"name": "Mitte", "phone": None}
    node = "query ($id: ID!) { node(id: $id) { ... on Location { name externalId } } }"
    seen = await api.ask(node, caller=api.anonymous, id=place["id"])
    assert seen["node"] == {"name": "Mitte", "externalId": None}
    other = await api.another_organization()
    assert (await api.ask(node, caller=other.admin, id=place["id"]))["node"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "x" * 201),
        ("address", "x" * 501),
        ("directions", "x" * 1001),
        ("phone", "901820"),
        ("email", "hello"),
        ("url", "javascript:alert(1)"),
        ("url", "//practice.example"),
        ("url", "https://"),
        ("url", "https://user:secret@practice.example"),
        ("url", 'https://practice.example/"onclick='),
        ("url", "https://practice.example:port"),
        ("url", "https://practice.example/" + "x" * 500),
        ("timeZone", "Mars/Olympus"),
        ("externalId", ""),
    ],
)
async def test_a_location_that_cannot_be_is_refused_by_its_field(
    api: Api, field: str, value: str
) -> None:
    answer = await changed(api, CREATE, **({"name": "Main practice"} | {field: value}))
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)


async def test_an_external_id_names_one_location(api: Api) -> None:
    await a_location(api, externalId="mitte")
    again = await changed(api, CREATE, name="Other", externalId="mitte")
    assert (again["__typename"], again["field"]) == ("InvalidInputError", "externalId")
    other = await a_location(api, name="Other", externalId="other")
    taken = await changed(api, UPDATE, id=other["id"], externalId="mitte")
    assert (taken["__typename"], taken["field"]) == ("InvalidInputError", "externalId")
    assert (await changed(api, UPDATE, id=unknown("Location"), name="X"))["code"] == "NOT_FOUND"


async def test_an_organization_has_so_many_locations_and_no_more(api: Api) -> None:
    await api.rows(
        """INSERT INTO location (organization_id, id, name, created_at)
        SELECT $1, gen_random_uuid(), 'Place ' || number, now()
        FROM generate_series(1, $2::integer) AS number""",
        api.organization.id,
        MOST_LOCATIONS - 1,
    )
    await a_location(api)
    one_more = await changed(api, CREATE, name="One too many")
    assert one_more["__typename"] == "InvalidInputError"
    found = await api.ask(LOCATIONS, caller=api.anonymous)
    assert len(found["organization"]["locations"]) == MOST_LOCATIONS


async def test_an_archived_location_stays_where_it_is_and_goes_nowhere_else(api: Api) -> None:
    """Its provider keeps it, staff see it in the list, and nobody is given it any more."""
    place = await a_location(api, name="Old practice")
    ada = await a_provider(api, locationId=place["id"])
    made(await changed(api, UPDATE, id=place["id"], isArchived=True), "Location")
    assert (await api.ask(LOCATIONS, caller=api.anonymous))["organization"]["locations"] == []
    for caller in (api.admin, api.acting_for(ada)):
        seen = await api.ask(LOCATIONS, caller=caller)
        assert seen["organization"]["locations"] == [{"name": "Old practice"}]
    kept = await changed(api, UPDATE_PROVIDER, id=ada["id"], name="Ada", locationId=place["id"])
    assert made(kept, "Provider")["location"]["name"] == "Old practice"
    service = await a_service(api, ada)
    for location_id in (place["id"], unknown("Location"), ada["id"]):
        refused = await changed(api, UPDATE_SERVICE, id=service["id"], locationId=location_id)
        assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "locationId")
    create = """mutation ($input: CreateServiceInput!) { answer: createService(input: $input) {
        __typename ... on InvalidInputError { field }
    } }"""
    values = {"name": "Cut", "providerIds": [ada["id"]], "durationMinutes": 30}
    refused = await changed(api, create, **values, locationId=place["id"])
    assert refused == {"__typename": "InvalidInputError", "field": "locationId"}
    made(await changed(api, UPDATE, id=place["id"], isArchived=False), "Location")
    given = await changed(api, UPDATE_SERVICE, id=service["id"], locationId=place["id"])
    assert made(given, "Service")["location"]["name"] == "Old practice"


# ---------------------------------------------------------------- where a visit is


async def test_a_visit_is_where_its_service_says_else_where_its_lead_does(api: Api) -> None:
    mitte, spa = await a_location(api, name="Mitte"), await a_location(api, name="Spa")
    ada = await a_provider(api)
    cut = await a_service(api, ada, bufferAfterMinutes=0)
    values = {
        "id": (await an_appointment(api, ada, "2026-01-12T10:00Z", serviceId=cut["id"]))[
            "appointment"
        ]["id"]
    }

    async def where() -> object:
        return (await api.ask(WHERE, caller=api.admin, **values))["appointment"]["location"]

    assert await where() is None
    made(await changed(api, UPDATE_PROVIDER, id=ada["id"], locationId=mitte["id"]), "Provider")
    assert await where() == {"name": "Mitte"}
    made(await changed(api, UPDATE_SERVICE, id=cut["id"], locationId=spa["id"]), "Service")
    assert await where() == {"name": "Spa"}
    made(await changed(api, UPDATE_SERVICE, id=cut["id"], locationId=None), "Service")
    assert await where() == {"name": "Mitte"}


async def test_a_description_is_shown_wherever_its_provider_or_service_is(api: Api) -> None:
    """In the listing, too, as soon as it was changed."""
    ada = await a_provider(api, description="Speaks French.\n\nLikes dogs.")
    cut = await a_service(api, ada, description=" With wash. ")
    ask = """query ($id: ID!) { provider(id: $id) { description services { description }
        availability(from: "2026-01-12", to: "2026-01-12") {
            ... on Availability { provider { description } slots { localEnd } }
        }
        nextAvailableSlot { provider { description } }
    } }"""

    async def shown() -> list[str | None]:
        found = (await api.ask(ask, caller=api.anonymous, id=ada["id"]))["provider"]
        assert found["services"] == [{"description": "With wash."}]
        return [
            found["description"],
            found["availability"]["provider"]["description"],
            found["nextAvailableSlot"]["provider"]["description"],
        ]

    assert await shown() == ["Speaks French.\n\nLikes dogs."] * 3
    made(await changed(api, UPDATE_PROVIDER, id=ada["id"], description="On leave."), "Provider")
    assert await shown() == ["On leave."] * 3
    made(await changed(api, UPDATE_PROVIDER, id=ada["id"], description=None), "Provider")
    assert await shown() == [None] * 3
    long = await changed(api, UPDATE_SERVICE, id=cut["id"], description="x" * 2001)
    assert (long["__typename"], long["field"]) == ("InvalidInputError", "description")


# ---------------------------------------------------------------- how to reach the practice


async def test_everybody_may_know_how_to_reach_the_practice(api: Api) -> None:
    values = {
        "phone": "+49 30 901820",
        "email": "hello@practice.example",
        "url": "https://practice.example",
    }
    after = made(await changed(api, UPDATE_ORGANIZATION, **values), "Organization")
    assert (after["phone"], after["url"]) == ("+4930901820", "https://practice.example")
    ask = "{ organization { id slug name phone email url smsToUnverifiedNumbers } }"
    for caller in (api.anonymous, api.customer("robin")):
        seen = (await api.ask(ask, caller=caller))["organization"]
        assert seen["phone"] == "+4930901820"
        assert seen["smsToUnverifiedNumbers"] is None
    made(await changed(api, UPDATE_ORGANIZATION, smsToUnverifiedNumbers=True), "Organization")
    seen = (await api.ask(ask, caller=api.admin))["organization"]
    assert (seen["phone"], seen["smsToUnverifiedNumbers"]) == ("+4930901820", True)
    refused = await changed(api, UPDATE_ORGANIZATION, url="ftp://practice.example")
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "url")
    assert (
        made(await changed(api, UPDATE_ORGANIZATION, phone=None), "Organization")["phone"] is None
    )
    happened = await api.rows(
        "SELECT count(*) AS events FROM event WHERE organization_id = $1 AND type = 'ORGANIZATION_CHANGED'",
        api.organization.id,
    )
    assert happened[0]["events"] == 3


async def test_a_refusal_that_sends_people_to_the_phone_names_the_number(api: Api) -> None:
    """The location's, else the organization's; without one it says whom to call."""
    ada = await a_provider(
        api, cancellationPolicy={"freeUntilMinutesBefore": 1440, "lateCancellation": "REFUSED"}
    )
    visit = await booked(api, ada, "2026-01-12T10:00Z")
    api.clock.set("2026-01-12T09:00Z")

    async def said() -> set[str]:
        answers = (await cancel(api, visit), await move(api, visit, "2026-01-12T12:00Z"))
        assert {each["code"] for each in answers} == {"NOT_CANCELLABLE", "NOT_RESCHEDULABLE"}
        return {each["message"] for each in answers}

    assert await said() == {"It is too late to change this appointment. Call the provider."}
    made(await changed(api, UPDATE_ORGANIZATION, phone="+49 30 901820"), "Organization")
    assert await said() == {"It is too late to change this appointment. Call +49 30 901820."}
    place = await a_location(api, phone="+33 1 23 45 67 89")
    made(await changed(api, UPDATE_PROVIDER, id=ada["id"], locationId=place["id"]), "Provider")
    assert await said() == {"It is too late to change this appointment. Call +33 1 23 45 67 89."}
    api.clock.set("2026-01-12T10:00Z")
    assert await said() == {"The appointment has started. Call +33 1 23 45 67 89."}


# ---------------------------------------------------------------- in messages


def body_of(letter: EmailMessage, kind: str = "plain") -> str:
    body = letter.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def event_of(letter: EmailMessage) -> Event:
    [part] = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    calendar = Calendar.from_ical(payload)
    [event] = [each for each in calendar.walk("VEVENT") if isinstance(each, Event)]
    assert not event.errors
    return event


async def test_mails_and_their_calendar_parts_say_where_it_is_and_whom_to_call(post: Post) -> None:
    """For the customer with the way there; for the provider without. What staff typed stays text."""
    api = post.api
    place = await a_location(
        api,
        name="Praxis; Mitte",
        address="Invalidenstr. 117, Hof\\2\n10115 Berlin",
        phone="+49 30 901820",
        directions="Ring <twice>.",
    )
    contact = {"email": "hello@practice.example", "url": "https://practice.example"}
    made(await changed(api, UPDATE_ORGANIZATION, **contact), "Organization")
    ada = await a_provider(api, name="Ada", email="ada@salon.example", locationId=place["id"])
    await an_appointment(
        api, ada, "2026-01-14T12:00Z", customer={"name": "Grace", "email": "grace@example.org"}
    )
    await post.work()
    where = r"Praxis; Mitte, Invalidenstr. 117, Hof\2, 10115 Berlin"
    [hers], [adas] = post.letters("grace@example.org"), post.letters("ada@salon.example")
    texts = {"g": body_of(hers), "a": body_of(adas)}
    assert f"Where: {where}" in texts["g"]
    assert "How to find us: Ring <twice>." in texts["g"]
    assert "Contact: +49 30 901820, hello@practice.example, https://practice.example" in texts["g"]
    assert f"Where: {where}" in texts["a"]
    assert "How to find us" not in texts["a"]
    assert "Ring &lt;twice&gt;." in body_of(hers, "html")
    for letter in (hers, adas):
        event = event_of(letter)
        assert str(event["LOCATION"]) == where
        assert "+4930901820" in str(event["CONTACT"])
        assert "hello@practice.example" in str(event["CONTACT"])
    assert str(event_of(hers)["URL"]).startswith("https://salon.example/manage#")
    assert str(event_of(adas)["URL"]) == "https://practice.example"


async def test_own_templates_may_say_where_it_is_and_how_to_reach_the_practice(post: Post) -> None:
    api = post.api
    place = await a_location(
        api, address="Invalidenstr. 117", directions="Ring.", phone="+4930901820"
    )
    ada = await a_provider(api, locationId=place["id"])
    words = (
        "{{ location }}|{{ address }}|{{ directions }}|{{ practice_phone }}|{{ practice_email }}"
    )
    words += "|{{ practice }}|{{ practice_link }}"
    template = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en", "text": words}
    answer = await changed(
        api,
        """mutation ($input: SetMessageTemplateInput!) { answer: setMessageTemplate(input: $input) {
            __typename ... on UserError { message } } }""",
        **template,
    )
    made(answer, "MessageTemplate")
    await an_appointment(
        api, ada, "2026-01-14T12:00Z", customer={"name": "Grace", "email": "grace@example.org"}
    )
    await post.work()
    [letter] = post.letters("grace@example.org")
    assert body_of(letter).strip() == (
        "Main practice, Invalidenstr. 117|Invalidenstr. 117|Ring.|+49 30 901820||+49 30 901820|"
    )
