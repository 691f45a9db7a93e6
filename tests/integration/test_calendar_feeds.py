"""Private calendar feeds: who has an address, what is shown at it, and when it ends."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx import Response
from icalendar import Calendar

from app.core import calendar_feed
from app.core.appointment import ManageLink
from app.core.ids import AppointmentId, CalendarFeedId, CustomerId
from app.settings import LimitSettings, Settings
from app.store.calendar_feeds import renew_feed_of_customer
from app.store.pool import transaction
from app.usecases.practice import read_calendar_feed
from tests.builders import (
    NOW,
    Api,
    Caller,
    Json,
    a_provider,
    a_service,
    an_appointment,
    instant,
    key_in,
    made,
    running,
)
from tests.integration.security_world import RENEW_FEED
from tests.lives import cancel, move

TEN, ELEVEN, TWELVE = "2026-01-12T10:00Z", "2026-01-12T11:00Z", "2026-01-12T12:00Z"

URL_OF = """
    query ($id: ID!) {
        node(id: $id) {
            ... on Provider { calendarFeedUrl }
            ... on Customer { calendarFeedUrl }
            ... on Appointment { calendarFeedUrl }
        }
    }
"""
UID_OF = "query ($id: ID!) { node(id: $id) { ... on Appointment { calendarUid version } ... on Session { calendarUid } } }"
RENEW_LINK = """
    mutation ($input: RenewManageTokenInput!) {
        answer: renewManageToken(input: $input) { __typename ... on BookingConfirmation { manageToken } }
    }
"""
ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)
CHANGE = "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) { __typename } }"
NOTE = "mutation ($input: UpdateAppointmentInput!) { answer: updateAppointment(input: $input) { __typename } }"
LOCATION = "mutation ($input: CreateLocationInput!) { answer: createLocation(input: $input) { ... on Location { id } } }"
SESSION = "query ($id: ID!) { appointment(id: $id) { session { id } } }"


async def renewed(api: Api, caller: Caller, **owner: str) -> str | None:
    """The new address, as the caller sees it."""
    answer = (await api.ask(RENEW_FEED, caller=caller, input=owner))["answer"]
    made(answer, "Provider" if "providerId" in owner else "Customer")
    url: str | None = answer["calendarFeedUrl"]
    return url


async def url_of(api: Api, caller: Caller, thing: str) -> str | None:
    found = (await api.ask(URL_OF, caller=caller, id=thing))["node"]
    return None if found is None else found["calendarFeedUrl"]


async def get(api: Api, url: str | None, method: str = "GET", **headers: str) -> Response:
    assert url is not None
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.request(method, urlsplit(url).path, headers=names)


async def events(api: Api, url: str | None) -> list[Any]:
    response = await get(api, url)
    assert response.status_code == 200
    return list(Calendar.from_ical(response.content).walk("VEVENT"))


async def summaries(api: Api, url: str | None) -> list[str]:
    return [str(event["SUMMARY"]) for event in await events(api, url)]


# ---------------------------------------------------------------- what is shown


async def test_a_provider_sees_who_comes_and_how_to_reach_them(api: Api) -> None:
    place = {"name": "Main", "address": "Street 1\nTown", "directions": "Ring twice"}
    location = (await api.ask(LOCATION, caller=api.admin, input=place))["answer"]
    ada = await a_provider(api, name="Ada", timeZone="Europe/Berlin", locationId=location["id"])
    cut = await a_service(api, ada, name="Cut")
    contact = {"name": "Ann, “A”", "email": "ann@example.com", "phone": "+4930901820"}
    visit = await an_appointment(
        api, ada, TEN, serviceId=cut["id"], customer=contact, notes="afraid of scissors"
    )
    noted = {"appointmentId": visit["appointment"]["id"], "staffNotes": "pays late"}
    made((await api.ask(NOTE, caller=api.admin, input=noted))["answer"], "Appointment")
    url = await renewed(api, api.admin, providerId=ada["id"])
    response = await get(api, url)
    calendar: Any = Calendar.from_ical(response.content)
    assert calendar["X-WR-CALNAME"] == "Ada\\, A Practice"  # as written
    assert calendar["X-WR-TIMEZONE"] == "Europe/Berlin"
    [event] = calendar.walk("VEVENT")
    assert str(event["SUMMARY"]) == "Cut with Ann, “A”"
    assert "+49 30 901820" in event["DESCRIPTION"]
    assert "ann@example.com" in event["DESCRIPTION"]
    assert str(event["LOCATION"]) == "Main, Street 1, Town"
    assert event.decoded("DTSTART") == instant(TEN)
    known = (await api.ask(UID_OF, caller=api.admin, id=visit["appointment"]["id"]))["node"]
    assert (event["UID"], event["SEQUENCE"]) == (known["calendarUid"], known["version"])
    for secret in ("scissors", "pays late", visit["manageToken"], "manage#"):
        assert secret.encode() not in response.content


async def test_a_customer_sees_with_whom_and_where_all_of_theirs_and_nobody_else_s(
    api: Api,
) -> None:
    ada, ben = await a_provider(api, name="Ada"), await a_provider(api, name="Ben")
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    first = await an_appointment(api, ada, TEN, caller=robin, customer=None)
    await an_appointment(api, ben, ELEVEN, caller=robin, customer=None)
    await an_appointment(api, ada, TWELVE)
    customer_id = first["appointment"]["customer"]["id"]
    assert await url_of(api, robin, customer_id) is None
    url = await renewed(api, robin, customerId=customer_id)
    assert await summaries(api, url) == ["Appointment with Ada", "Appointment with Ben"]
    response = await get(api, url)
    for secret in (first["manageToken"], "manage#", "robin@example.com"):
        assert secret.encode() not in response.content


async def test_one_appointment_has_a_feed_of_its_own_for_its_manage_link(api: Api) -> None:
    ada = await a_provider(api, name="Ada")
    visit = await an_appointment(api, ada, TEN)
    await an_appointment(api, ada, ELEVEN)
    appointment = visit["appointment"]["id"]
    link = Caller(token=visit["manageToken"])
    url = await url_of(api, link, appointment)
    assert await summaries(api, url) == ["Appointment with Ada"]
    made(await move(api, visit, TWELVE), "BookingConfirmation")
    [moved] = await events(api, url)
    assert (moved.decoded("DTSTART"), moved["SEQUENCE"]) == (instant(TWELVE), 2)
    made(await cancel(api, visit), "Appointment")
    [cancelled] = await events(api, url)
    assert (cancelled["STATUS"], cancelled["SEQUENCE"]) == ("CANCELLED", 3)


async def test_a_session_is_one_entry_of_its_provider_and_each_customer_sees_their_own(
    api: Api,
) -> None:
    ada = await a_provider(api, name="Ada")
    yoga = await a_service(api, ada, name="Yoga", seats=5)
    asked: dict[str, Any] = {"serviceId": yoga["id"], "providerId": None}
    first = await an_appointment(api, ada, TEN, **asked, seats=2)
    second = await an_appointment(api, ada, TEN, **asked)
    url = await renewed(api, api.admin, providerId=ada["id"])
    [event] = await events(api, url)
    assert str(event["SUMMARY"]) == "Yoga (3 seats in 2 bookings)"
    values = {"id": first["appointment"]["id"]}
    found = (await api.ask(SESSION, caller=api.admin, **values))["appointment"]["session"]
    known = (await api.ask(UID_OF, caller=api.admin, id=found["id"]))["node"]
    assert event["UID"] == known["calendarUid"]
    own = await url_of(api, Caller(token=first["manageToken"]), first["appointment"]["id"])
    assert await summaries(api, own) == ["Yoga with Ada, 2 seats"]
    before = event["SEQUENCE"]
    made(await cancel(api, second), "Appointment")
    [fewer] = await events(api, url)
    assert str(fewer["SUMMARY"]) == "Yoga (2 seats in 1 booking)"
    assert fewer["SEQUENCE"] > before
    made(await cancel(api, first), "Appointment")
    assert await events(api, url) == []


async def test_everybody_who_takes_part_sees_a_visit_of_several(api: Api) -> None:
    ada, ben = await a_provider(api, name="Ada"), await a_provider(api, name="Ben")
    both = await a_service(api, ada, ben, name="Surgery", providersNeeded=2)
    visit = await an_appointment(api, ada, TEN, serviceId=both["id"])
    for each in (ada, ben):
        url = await renewed(api, api.admin, providerId=each["id"])
        assert len(await events(api, url)) == 1
    own = await url_of(api, Caller(token=visit["manageToken"]), visit["appointment"]["id"])
    assert await summaries(api, own) in [
        ["Surgery with Ada, Ben"],
        ["Surgery with Ben, Ada"],
    ]


async def test_what_began_up_to_30_days_ago_is_shown_and_what_was_cancelled_is_not(
    api: Api,
) -> None:
    ada = await a_provider(api)
    cancelled = await an_appointment(api, ada, TWELVE)
    await an_appointment(api, ada, TEN)
    await an_appointment(api, ada, ELEVEN)
    made(await cancel(api, cancelled), "Appointment")
    url = await renewed(api, api.admin, providerId=ada["id"])
    for now, shown in ((TEN, 2), (ELEVEN, 1)):
        api.clock.set(instant(now) + timedelta(days=30) + timedelta(minutes=int(now == ELEVEN) - 1))
        assert len(await events(api, url)) == {TEN: 2, ELEVEN: 1}[now] == shown
    api.clock.set(instant(ELEVEN) + timedelta(days=30, seconds=1))
    assert await events(api, url) == []


async def test_a_calendar_that_is_larger_than_a_feed_ends_early(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await a_provider(api)
    yoga = await a_service(api, ada, seats=5)
    await an_appointment(api, ada, TEN)
    await an_appointment(api, ada, ELEVEN, serviceId=yoga["id"])
    await an_appointment(api, ada, TWELVE)
    url = await renewed(api, api.admin, providerId=ada["id"])
    assert len(await events(api, url)) == 3
    monkeypatch.setattr(read_calendar_feed, "MOST_ENTRIES", 2)
    starts = [event.decoded("DTSTART") for event in await events(api, url)]
    assert starts == [instant(TEN), instant(ELEVEN)]


async def test_names_are_in_the_language_of_the_owner(api: Api) -> None:
    ada = await a_provider(api, locale="de-AT")
    await an_appointment(api, ada, TEN, customer={"name": "Ann", "email": "ann@example.com"})
    assert await summaries(api, await renewed(api, api.admin, providerId=ada["id"])) == [
        "Termin mit Ann"
    ]


# ---------------------------------------------------------------- who has the address


async def test_the_address_is_for_the_owner_and_those_who_run_the_calendar(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await an_appointment(api, ada, TEN, caller=robin, customer=None)
    customer_id = visit["appointment"]["customer"]["id"]
    assert await renewed(api, api.acting_for(ada), providerId=ada["id"]) is not None
    # They may end an address that went astray, and don't get the new one.
    assert await renewed(api, api.reception, customerId=customer_id) is None
    seen = {
        name: [
            await url_of(api, caller, thing) is not None
            for thing in (ada["id"], customer_id, visit["appointment"]["id"])
        ]
        for name, caller in {
            "admin": api.admin,
            "reception": api.reception,
            "ada": api.acting_for(ada),
            "ben": api.acting_for(ben),
            "robin": robin,
            "stranger": api.customer("stranger"),
            "link": Caller(token=visit["manageToken"]),
            "anonymous": api.anonymous,
        }.items()
    }
    assert seen == {
        "admin": [True, False, False],
        "reception": [True, False, False],
        "ada": [True, False, False],
        "ben": [False, False, False],
        "robin": [False, True, True],
        "stranger": [False, False, False],
        "link": [False, False, True],
        "anonymous": [False, False, False],
    }


@pytest.mark.parametrize(
    ("who", "owner", "answer"),
    [
        ("ben", "ada", "NotAllowedError"),
        ("robin", "ada", "NotAllowedError"),
        ("anonymous", "ada", "NotAllowedError"),
        ("other", "ada", "NotFoundError"),
        ("ada", "robin", "NotAllowedError"),
        ("stranger", "robin", "NotFoundError"),
        ("link", "robin", "NotAllowedError"),
        ("other", "robin", "NotFoundError"),
        ("admin", "guest", "InvalidInputError"),
        ("admin", "both", "InvalidInputError"),
        ("admin", "neither", "InvalidInputError"),
    ],
)
async def test_nobody_else_renews_a_feed(api: Api, who: str, owner: str, answer: str) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await an_appointment(api, ada, TEN, caller=robin, customer=None)
    guest = await an_appointment(api, ada, ELEVEN)
    details = "query ($id: ID!) { appointment(id: $id) { customer { id } } }"
    found = await api.ask(details, caller=api.admin, id=guest["appointment"]["id"])
    callers = {
        "admin": api.admin,
        "ada": api.acting_for(ada),
        "ben": api.acting_for(ben),
        "robin": robin,
        "stranger": api.customer("stranger"),
        "link": Caller(token=guest["manageToken"]),
        "anonymous": api.anonymous,
        "other": (await api.another_organization()).admin,
    }
    customer_id = visit["appointment"]["customer"]["id"]
    owners: dict[str, Json] = {
        "ada": {"providerId": ada["id"]},
        "robin": {"customerId": customer_id},
        "guest": {"customerId": found["appointment"]["customer"]["id"]},
        "both": {"providerId": ada["id"], "customerId": customer_id},
        "neither": {},
    }
    tried = await api.ask(RENEW_FEED, caller=callers[who], input=owners[owner])
    assert tried["answer"]["__typename"] == answer


# ---------------------------------------------------------------- how it ends


async def test_a_renewed_feed_ends_at_its_old_address_at_once(api: Api) -> None:
    ada = await a_provider(api)
    old = await renewed(api, api.admin, providerId=ada["id"])
    assert (await get(api, old)).status_code == 200
    new = await renewed(api, api.acting_for(ada), providerId=ada["id"])
    assert new != old
    assert (await get(api, old)).status_code == 404
    assert (await get(api, new)).status_code == 200
    assert await url_of(api, api.admin, ada["id"]) == new


async def test_the_feed_of_an_appointment_ends_with_its_manage_link(api: Api) -> None:
    ada = await a_provider(api)
    visit = await an_appointment(api, ada, TEN)
    appointment = {"appointmentId": visit["appointment"]["id"]}
    old = await url_of(api, Caller(token=visit["manageToken"]), visit["appointment"]["id"])
    made(
        again := (await api.ask(RENEW_LINK, caller=api.admin, input=appointment))["answer"],
        "BookingConfirmation",
    )
    assert (await get(api, old)).status_code == 404
    new = await url_of(api, Caller(token=again["manageToken"]), visit["appointment"]["id"])
    assert (await get(api, new)).status_code == 200
    api.clock.set(instant(ELEVEN) + timedelta(days=31))
    assert (await get(api, new)).status_code == 404


async def test_an_erased_customer_s_feeds_end(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    visit = await an_appointment(api, ada, TEN, caller=robin, customer=None)
    customer_id = visit["appointment"]["customer"]["id"]
    urls = [
        await renewed(api, robin, customerId=customer_id),
        await url_of(api, robin, visit["appointment"]["id"]),
    ]
    assert [(await get(api, url)).status_code for url in urls] == [200, 200]
    made((await api.ask(ERASE, caller=api.admin, input={"id": customer_id}))["answer"], "Customer")
    assert [(await get(api, url)).status_code for url in urls] == [404, 404]
    tried = await api.ask(RENEW_FEED, caller=api.admin, input={"customerId": customer_id})
    assert tried["answer"]["__typename"] == "NotFoundError"
    kept = await api.rows(
        "SELECT 1 FROM calendar_feed WHERE organization_id = $1 AND customer_id = $2",
        api.organization.id,
        key_in(customer_id),
    )
    assert kept == []
    # Nor does it come back where a program of an earlier version erased them, and left the feed.
    feed_id = CalendarFeedId(api.resources.new_id())
    async with transaction(api.resources.pool) as tx:
        await renew_feed_of_customer(
            tx, api.organization.id, CustomerId(key_in(customer_id)), feed_id, NOW
        )
    token = api.resources.calendar_tokens.sign(api.organization.id, feed_id)
    assert (await get(api, f"https://api.test/calendars/{token}.ics")).status_code == 404


async def test_an_archived_provider_s_feed_rests_until_they_are_back(api: Api) -> None:
    ada = await a_provider(api)
    url = await renewed(api, api.admin, providerId=ada["id"])
    for is_archived, status in ((True, 404), (False, 200)):
        asked = {"id": ada["id"], "isArchived": is_archived}
        made((await api.ask(CHANGE, caller=api.admin, input=asked))["answer"], "Provider")
        assert (await get(api, url)).status_code == status


async def test_nothing_but_a_signed_address_opens_a_feed(api: Api) -> None:
    ada = await a_provider(api)
    visit = await an_appointment(api, ada, TEN)
    url = await renewed(api, api.admin, providerId=ada["id"])
    assert url is not None
    token = url.rpartition("/")[2].removesuffix(".ics")
    head, body, signature = token.split(".")
    link = ManageLink(AppointmentId(key_in(visit["appointment"]["id"])), 7)
    forged = [
        "x",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        visit["manageToken"],
        api.resources.calendar_tokens.sign(api.organization.id, link),
    ]
    for each in forged:
        response = await api.http.get(f"/calendars/{each}.ics")
        assert (response.status_code, response.content) == (404, b"")
        assert response.headers["cache-control"] == "no-store"
    # Nor is it good for anything else.
    tried = await api.send("{ viewer { role } }", caller=Caller(token=token))
    assert tried.codes == ["UNAUTHENTICATED"]
    assert (await api.http.post(urlsplit(url).path)).status_code == 405


# ---------------------------------------------------------------- over HTTP


async def test_a_program_that_knows_the_feed_hears_that_nothing_changed(api: Api) -> None:
    ada = await a_provider(api)
    visit = await an_appointment(api, ada, TEN)
    url = await renewed(api, api.admin, providerId=ada["id"])
    first = await get(api, url)
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await get(api, url, if_none_match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "private, no-cache"
    assert (await get(api, url, if_none_match='"other"')).status_code == 200
    api.clock.set(instant(TEN) + timedelta(hours=5))
    assert (await get(api, url)).content == first.content
    made(await cancel(api, visit, caller=api.admin), "NotCancellableError")
    asked = {"id": ada["id"], "name": "Ada B."}
    made((await api.ask(CHANGE, caller=api.admin, input=asked))["answer"], "Provider")
    changed = await get(api, url, if_none_match=tag)
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def test_every_change_of_what_is_shown_changes_the_tag(api: Api) -> None:
    ada = await a_provider(api)
    url = await renewed(api, api.admin, providerId=ada["id"])
    tags = [(await get(api, url)).headers["etag"]]

    async def has_changed() -> None:
        tags.append((await get(api, url)).headers["etag"])
        assert len(set(tags)) == len(tags)

    visit = await an_appointment(api, ada, TEN)
    await has_changed()
    made(await move(api, visit, ELEVEN), "BookingConfirmation")
    await has_changed()
    asked: Json = {
        "appointmentId": visit["appointment"]["id"],
        "contact": {"name": "Anna", "email": "anna@example.com"},
    }
    made((await api.ask(NOTE, caller=api.admin, input=asked))["answer"], "Appointment")
    await has_changed()
    made(await cancel(api, visit), "Appointment")
    assert (await get(api, url)).headers["etag"] == tags[0]


async def test_the_answer_is_a_calendar_for_its_reader_alone(api: Api) -> None:
    ada = await a_provider(api)
    await an_appointment(api, ada, TEN)
    url = await renewed(api, api.admin, providerId=ada["id"])
    for method in ("GET", "HEAD"):
        response = await get(api, url, method)
        assert (response.status_code, bool(response.content)) == (200, method == "GET")
        headers = response.headers
        assert headers["content-type"] == "text/calendar; charset=utf-8"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-robots-tag"] == "noindex"
        assert headers["content-disposition"] == 'inline; filename="appointments.ics"'


async def test_no_log_line_holds_an_address(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    ada = await a_provider(api)
    url = await renewed(api, api.admin, providerId=ada["id"])
    assert url is not None
    with caplog.at_level(logging.DEBUG, logger="app"):
        await get(api, url)
        await renewed(api, api.admin, providerId=ada["id"])
        await get(api, url)
    token = url.rpartition("/")[2].removesuffix(".ics")
    assert all(token not in record.getMessage() for record in caplog.records)


@pytest.fixture
async def limited(environment: dict[str, str]) -> AsyncIterator[Api]:
    """20,000 points a minute: 200 small answers."""
    settings = replace(
        Settings.from_environment(environment | {"SLOTWRIGHT_PUBLIC_URL": "https://api.test"}),
        limits=LimitSettings(points_per_minute=20_000),
    )
    async with running(settings) as own:
        yield await own.api()


async def test_a_feed_that_is_asked_for_too_often_is_answered_later_and_others_at_once(
    limited: Api,
) -> None:
    """Each valid address has a budget of its own, and made-up ones have that of their network."""
    ada, ben = await a_provider(limited), await a_provider(limited)
    [one, other] = [
        await renewed(limited, limited.admin, providerId=each["id"]) for each in (ada, ben)
    ]
    refused = await refusal(limited, one)
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert (await get(limited, other)).status_code == 200
    await refusal(limited, "https://api.test/calendars/x.ics")
    assert (await get(limited, other)).status_code == 200


async def refusal(api: Api, url: str | None) -> Response:
    """The first 429, however fast this machine asks."""
    for _ in range(5_000):
        response = await get(api, url)
        if response.status_code == 429:
            return response
    raise AssertionError("nothing limits it")


async def test_without_a_public_address_there_is_no_url(own_api: Api) -> None:
    ada = await a_provider(own_api)
    assert await renewed(own_api, own_api.admin, providerId=ada["id"]) is None


async def test_a_large_calendar_is_written_whole(api: Api) -> None:
    """A thousand visits, put into the database at once."""
    ada = await a_provider(api)
    visit = await an_appointment(api, ada, TEN)
    await api.rows(
        """
        INSERT INTO appointment
        SELECT (jsonb_populate_record(appointment, jsonb_build_object(
            'id', gen_random_uuid(), 'starts_at', starts_at + n * interval '1 day',
            'ends_at', ends_at + n * interval '1 day'
        ))).*
        FROM appointment CROSS JOIN generate_series(1, 999) AS n
        WHERE organization_id = $1 AND id = $2
        RETURNING 1
        """,
        api.organization.id,
        key_in(visit["appointment"]["id"]),
    )
    url = await renewed(api, api.admin, providerId=ada["id"])
    assert len({event["UID"] for event in await events(api, url)}) == 1_000
    assert calendar_feed.MOST_ENTRIES >= 1_000
