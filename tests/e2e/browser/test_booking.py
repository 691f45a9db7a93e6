"""The booking page and the manage page on the real server, used as people use them: several at
once, and by keyboard alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from app.api.graph.schema import build_schema
from app.settings import Settings
from tests.e2e.browser.conftest import Shop, Windows

pytestmark = pytest.mark.skipif(
    "booking_page" not in {field.name for field in fields(Settings)},
    reason="no setting turns the booking page on yet",
)
live = pytest.mark.skipif(
    "availabilityChanges" not in build_schema().as_str(),
    reason="the schema has no live free times yet",
)

SETTINGS = {
    "SLOTWRIGHT_GUEST_BOOKINGS_PER_CONTACT": "0",  # all tests share one contact and one address
    "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",
}
WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
CREATE = """mutation ($input: CreateProviderInput!) {
  createProvider(input: $input) { ... on Provider { id } ... on UserError { message } }
}"""
CREATE_LOCATION = """mutation ($input: CreateLocationInput!) {
    createLocation(input: $input) { ... on Location { id } ... on UserError { message } }
}"""
CREATE_SERVICE = """mutation ($input: CreateServiceInput!) {
  createService(input: $input) { ... on Service { id } ... on UserError { message } }
}"""
CREATE_RESOURCE = """mutation ($input: CreateResourceInput!) {
  createResource(input: $input) { ... on Resource { id } ... on UserError { message } }
}"""
BOOK = """mutation ($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    ... on BookingConfirmation { manageToken appointment { id } }
    ... on UserError { message }
  }
}"""
TIME_OFF = """mutation ($input: AddTimeOffInput!) {
  addTimeOff(input: $input) { ... on TimeOff { id } ... on UserError { message } }
}"""
RELEASE = "mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { __typename } }"
LIVE = "Updates as times are taken"
FEE = {
    "freeUntilMinutesBefore": 500_000,
    "lateCancellation": "FEE",
    "lateFee": {"amountMinor": 2050, "currency": "EUR"},
}

PUSHED_MS = 12_000
"""Events arrive at once; polling would take longer than this."""

names = (f"Dr Grace {number}" for number in range(1, 1000))
keys = itertools.count()


async def _provider(shop: Shop, **rules: object) -> str:
    """A provider who works day and night, in hours, by UTC."""
    hours = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in WEEK]
    wish = {
        "name": next(names),
        "timeZone": "UTC",
        "serviceDurationMinutes": 60,
        "weeklyHours": hours,
    } | rules
    answer = (await shop.ask(CREATE, input=wish))["createProvider"]
    assert "id" in answer, answer
    return str(answer["id"])


async def _team(shop: Shop, count: int) -> tuple[list[str], list[str]]:
    """So many people who are always there: their names and their ids."""
    called = [next(names) for _ in range(count)]
    return called, [await _provider(shop, name=name) for name in called]


async def _service(shop: Shop, providers: list[str], *, rooms: int = 0, **rules: object) -> str:
    """An hour with one of these people, in one of so many rooms."""
    room_ids = []
    for number in range(1, rooms + 1):
        room = {"name": f"Oak {number}", "kind": "room", "timeZone": "UTC"}
        answer = (await shop.ask(CREATE_RESOURCE, input=room))["createResource"]
        room_ids.append(answer["id"])
    needs = [{"name": "Room", "resourceIds": room_ids}] if rooms else []
    wish = {
        "name": "Massage",
        "providerIds": providers,
        "durationMinutes": 60,
        "slotIntervalMinutes": 60,
        "needs": needs,
    } | rules
    answer = (await shop.ask(CREATE_SERVICE, input=wish))["createService"]
    assert "id" in answer, answer
    return str(answer["id"])


async def _open_service(windows: Windows, shop: Shop, service: str, **options: Any) -> Page:  # noqa: ANN401 (playwright's)
    page = await windows.open(**{"timezone_id": "UTC", "locale": "en-GB"} | options)
    await page.goto(f"{shop.address}/?service={service}")
    await expect(page.locator(".times button").first).to_be_visible()
    return page


async def _open(windows: Windows, shop: Shop, provider: str, **options: Any) -> Page:  # noqa: ANN401 (playwright's)
    page = await windows.open(**{"timezone_id": "UTC", "locale": "en-GB"} | options)
    await page.goto(f"{shop.address}/?provider={provider}")
    await expect(page.locator(".times button").first).to_be_visible()
    return page


async def _tomorrow(page: Page) -> None:
    """Whole days only: today is ending while the test runs."""
    day = page.locator("td button.free").nth(1)
    if await day.count() == 0:
        await page.locator(".turn button").last.click()  # whatever the language
        day = page.locator("td button.free").first
    await day.click()


def _time(page: Page, time: str) -> Locator:
    """A time that is offered; one that is fading away is not."""
    return page.locator(".times li:not([inert])").get_by_role("button", name=time, exact=True)


async def _pick(page: Page, time: str) -> None:
    await _time(page, time).click()
    await expect(page.get_by_role("heading", name="Your details")).to_be_focused()


async def _fill_in(page: Page) -> None:
    await page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    await page.get_by_label("E-mail").fill("ada@example.com")


async def _book(page: Page, time: str) -> str:
    """Books through the page; the address of the manage page."""
    await _pick(page, time)
    await _fill_in(page)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    return str(await page.get_by_role("link", name="View appointment").get_attribute("href"))


async def _taken_by_somebody_else(
    shop: Shop, provider: str | None, starts_at: str, *, service: str | None = None
) -> None:
    """With this provider, or (None) with any provider of the service."""
    customer = {"name": "Somebody Else", "email": "else@example.com"}
    wish = {
        "providerId": provider,
        "serviceId": service,
        "startsAt": starts_at,
        "customer": customer,
        "customerTimeZone": "UTC",
        "idempotencyKey": f"else {next(keys)}",
    }
    answer = await shop.ask(BOOK, token="", input=wish)
    assert "appointment" in answer["bookAppointment"], answer


async def _start_of(page: Page, time: str) -> str:
    item = page.locator(".times li").filter(has_text=re.compile(f"^{time}$"))
    return str(await item.get_attribute("data-start"))


async def _without_live_updates(context: BrowserContext) -> None:
    await context.route_web_socket(
        "**/graphql", lambda socket: socket.close(code=4400, reason="not here")
    )


@live
async def test_a_time_that_is_held_or_booked_vanishes_from_another_window_at_once(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    ours, theirs = [await _open(windows, shop, provider) for _ in range(2)]
    for page in (ours, theirs):
        await _tomorrow(page)
        await expect(page.locator(".freshness")).to_have_text(LIVE)
        await expect(page.locator(".times button")).to_have_count(24)
    await _pick(ours, "10:00")
    await expect(theirs.locator(".times li:not([inert])")).to_have_count(23, timeout=PUSHED_MS)
    await expect(theirs.locator("#announcer")).to_have_text("10:00 no longer free.")
    await ours.get_by_role("button", name="Another time").click()
    # Ours too: a time that comes back moves the others, from under the pointer as well.
    for page in (theirs, ours):
        await expect(page.locator(".times button")).to_have_count(24, timeout=PUSHED_MS)
    await _book(ours, "11:00")
    await expect(_time(theirs, "11:00")).to_have_count(0, timeout=PUSHED_MS)
    assert windows.complaints == []


@live
async def test_the_focus_goes_to_the_next_time_when_the_focused_one_vanishes(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    page = await _open(windows, shop, provider)
    await _tomorrow(page)
    await expect(page.locator(".freshness")).to_have_text(LIVE)
    await _time(page, "10:00").focus()
    await _taken_by_somebody_else(shop, provider, await _start_of(page, "10:00"))
    await expect(_time(page, "11:00")).to_be_focused()


async def test_a_time_taken_meanwhile_is_announced_and_the_nearest_are_a_click_away(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await _without_live_updates(page.context)
    await page.goto(f"{shop.address}/?provider={provider}")
    await expect(page.locator(".freshness")).to_have_text("Refreshed every few seconds")
    await _tomorrow(page)
    await _taken_by_somebody_else(shop, provider, await _start_of(page, "10:00"))
    await _time(page, "10:00").click()
    told = page.get_by_text("10:00 has just been taken. The nearest free times:")
    await expect(told).to_be_focused()
    nearest = page.locator(".conflict button").first
    time = (await nearest.inner_text())[-5:]
    await nearest.click()
    await expect(page.locator("#summary-when")).to_contain_text(time)


async def test_a_time_lost_while_the_form_is_filled_in_costs_no_typing(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    page = await _open(windows, shop, provider)
    await _tomorrow(page)
    starts_at = await _start_of(page, "10:00")
    async with page.expect_response(
        lambda answer: "holdSlot" in (answer.request.post_data or "")
    ) as response:
        await _pick(page, "10:00")
    held = (await (await response.value).json())["data"]["holdSlot"]
    await shop.ask(RELEASE, token="", input={"holdToken": held["holdToken"]})
    await _taken_by_somebody_else(shop, provider, starts_at)
    await _fill_in(page)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(
        page.get_by_text("10:00 has just been taken. The nearest free times:")
    ).to_be_focused()
    nearest = page.locator("#taken button").first
    time = (await nearest.inner_text())[-5:]
    await nearest.click()
    await expect(page.locator("#summary-when")).to_contain_text(time)
    await expect(page.locator("#kept")).to_contain_text("Kept for you")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()


async def test_what_is_wrong_in_the_form_is_said_at_its_field(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    await _pick(page, "10:00")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await expect(page.locator("#name-error")).not_to_be_empty()
    await _fill_in(page)
    await expect(page.locator("#name-error")).to_be_empty()
    # fine for a browser, not for the server
    await page.get_by_label("E-mail").fill("ada@nowhere.invalid")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_label("E-mail")).to_be_focused()
    await expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#email-error")).not_to_be_empty()


async def test_the_booked_time_goes_into_a_calendar(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    starts_at = await _start_of(page, "10:00")
    link = await _book(page, "10:00")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Add to calendar").click()
    file = await (await download.value).path()
    [event] = Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert event.decoded("dtstart").isoformat() == starts_at.replace("Z", "+00:00")
    assert str(event["url"]) == link


async def test_an_appointment_is_moved_by_its_link(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    await page.goto(await _book(page, "10:00"))
    await expect(page.locator("#when")).to_contain_text("10:00")
    await page.get_by_role("button", name="Change the time").click()
    await _time(page, "15:00").click()
    await page.get_by_role("button", name="Move it").click()
    await expect(page.locator("#news")).to_contain_text("Moved.")
    await page.reload()
    await expect(page.locator("#when")).to_contain_text("15:00")
    assert windows.complaints == []


async def test_a_cancellation_shows_its_fee_first_and_then_costs_just_that(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop, await _provider(shop, cancellationPolicy=FEE))
    await _tomorrow(page)
    await page.goto(await _book(page, "10:00"))
    await expect(page.locator("#terms")).to_contain_text("cancelling costs €20.50")
    await page.get_by_role("button", name="Cancel appointment").click()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.locator("#status")).to_have_text("Confirmed")
    await page.get_by_role("button", name="Cancel appointment").click()
    await page.get_by_role("button", name="Cancel and pay €20.50").click()
    await expect(page.locator("#status")).to_have_text("Cancelled")
    await expect(page.locator("#news")).to_have_text("The cancellation costs €20.50.")
    await page.reload()
    await expect(page.locator("#status")).to_have_text("Cancelled")
    await expect(page.get_by_role("button", name="Cancel appointment")).to_be_hidden()


async def test_the_secret_of_the_link_is_in_no_address_that_is_asked_for(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    link = await _book(page, "10:00")
    token = link.rsplit("token=", 1)[1]
    windows.addresses.clear()
    await page.goto(link)
    await expect(page.locator("#when")).to_contain_text("10:00")
    assert windows.addresses
    assert not [one for one in windows.addresses if token in one.partition("#")[0]]
    host = shop.address.removeprefix("http://")
    assert {one.split("/")[2] for one in windows.addresses} == {host}


async def test_a_broken_link_opens_nothing_and_says_so(windows: Windows, shop: Shop) -> None:
    page = await windows.open()
    await page.goto(f"{shop.address}/manage#appointment=QXBw&token=abc")
    await expect(page.get_by_role("alert")).to_contain_text("This link is not valid.")
    await page.goto(f"{shop.address}/manage")
    await expect(page.get_by_role("alert")).to_contain_text("opens no appointment")


async def test_times_are_shown_in_my_zone_and_in_any_that_i_choose(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop, await _provider(shop), timezone_id="Asia/Kolkata")
    await _tomorrow(page)
    await expect(page.locator(".times button").first).to_have_text("00:30")
    await page.get_by_label("Times shown in").fill("Kathmandu")
    await page.keyboard.press("Tab")
    await _tomorrow(page)
    await expect(page.locator(".times button").first).to_have_text("00:45")
    await page.goto(await _book(page, "09:45"))
    await expect(page.locator("#when")).to_contain_text("09:45")
    await expect(page.locator("#what")).to_contain_text("Asia/Kathmandu time")


async def test_the_chosen_zone_is_remembered_and_has_its_name_of_today(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    page = await _open(windows, shop, provider, timezone_id="Asia/Calcutta")
    zone = page.get_by_label("Times shown in")
    await expect(zone).to_have_value("Asia/Kolkata")
    listed = await page.locator("#zones option").evaluate_all("all => all.map(one => one.value)")
    assert "Europe/Kyiv" in listed
    assert {"Europe/Kiev", "Asia/Calcutta", "US/Eastern"} & set(listed) == set()
    offsets = await page.locator("#zones option").evaluate_all("all => all.map(one => one.text)")
    assert all(re.fullmatch(r"UTC[+−]\d\d:\d\d", offset) for offset in offsets)
    await zone.fill("lord howe")
    await page.keyboard.press("Tab")
    await expect(zone).to_have_value("Australia/Lord Howe")
    await page.reload()
    await expect(zone).to_have_value("Australia/Lord Howe")
    await zone.fill("nowhere")
    await page.keyboard.press("Tab")
    await expect(zone).to_have_value("Australia/Lord Howe")


async def test_the_confirmation_survives_a_reload(windows: Windows, shop: Shop) -> None:
    """It shows the zone, where we have written to, and what cancelling costs."""
    rules = {"freeUntilMinutesBefore": 60, "lateCancellation": "FEE", "lateFee": FEE["lateFee"]}
    page = await _open(windows, shop, await _provider(shop, cancellationPolicy=rules))
    await expect(page.locator("#pick-policy")).to_have_text(
        "Free cancellation until 1 hour before the start, then €20.50."
    )
    await _tomorrow(page)
    link = await _book(page, "10:00")
    for _ in range(2):
        await expect(page.locator("#done-what")).to_contain_text("UTC time")
        await expect(page.locator("#done-written")).to_have_text(
            "We have written to ada@example.com."
        )
        await expect(page.locator("#done-policy")).to_contain_text("09:00; after that")
        await expect(page.get_by_role("link", name="View appointment")).to_have_attribute(
            "href", link
        )
        await page.reload()
        await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()


async def test_a_booking_at_short_notice_says_so_before_it_is_made(
    windows: Windows, shop: Shop
) -> None:
    refused = FEE | {"lateCancellation": "REFUSED", "lateFee": None}
    page = await _open(windows, shop, await _provider(shop, cancellationPolicy=refused))
    await _tomorrow(page)
    await _pick(page, "10:00")
    await expect(page.locator("#summary-policy")).to_contain_text("can’t be cancelled or changed")


async def test_what_the_policy_refuses_is_not_offered(windows: Windows, shop: Shop) -> None:
    """With a late fee the time can't be changed; where late cancelling is refused, nothing can."""
    page = await _open(windows, shop, await _provider(shop, cancellationPolicy=FEE))
    await _tomorrow(page)
    await page.goto(await _book(page, "10:00"))
    await expect(page.get_by_role("button", name="Cancel appointment")).to_be_visible()
    await expect(page.get_by_role("button", name="Change the time")).to_be_hidden()
    refused = FEE | {"lateCancellation": "REFUSED", "lateFee": None}
    page = await _open(windows, shop, await _provider(shop, cancellationPolicy=refused))
    await _tomorrow(page)
    await page.goto(await _book(page, "10:00"))
    await expect(page.locator("#terms")).to_contain_text("please contact Dr Grace")
    await expect(page.get_by_role("button", name="Cancel appointment")).to_be_hidden()
    await expect(page.get_by_role("button", name="Change the time")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "button", "heading", "cancel"),
    [
        ("de-AT", "Buchen", "Ihr Termin ist gebucht", "Termin absagen"),
        pytest.param(
            "fr-FR",
            "Réserver",
            "Votre rendez-vous est pris",
            "Annuler le rendez-vous",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "es-ES",
            "Reservar",
            "Su cita está reservada",
            "Cancelar la cita",
            marks=pytest.mark.full,
        ),
    ],
)
async def test_it_speaks_the_languages_that_the_mails_speak(
    locale: str, button: str, heading: str, cancel: str, windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop, await _provider(shop), locale=locale)
    await _tomorrow(page)
    await page.locator(".times button").first.click()
    await page.locator("#name").fill("Ada Lovelace")
    await page.locator("#email").fill("ada@example.com")
    await page.get_by_role("button", name=button, exact=True).click()
    await expect(page.get_by_role("heading", name=heading)).to_be_focused()
    await page.locator("#manage").click()
    await expect(page.get_by_role("button", name=cancel)).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == locale[:2]
    assert windows.complaints == []


async def test_it_works_without_a_mouse(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop, await _provider(shop))

    async def tab_to(selector: str) -> None:
        for _ in range(20):
            if await page.evaluate(
                "selector => document.activeElement.matches(selector)", selector
            ):
                return
            await page.keyboard.press("Tab")
        pytest.fail(f"the keyboard does not reach {selector}")

    await tab_to("td button")
    await page.keyboard.press("PageDown")
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("[aria-selected=true] button")).to_be_focused()
    await expect(page.locator(".times button").first).to_be_visible()
    await tab_to(".times button")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your details")).to_be_focused()
    await tab_to("#name")
    await page.keyboard.type("Ada Lovelace")
    await page.keyboard.press("Tab")
    await page.keyboard.type("ada@example.com")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    await tab_to("#manage")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your appointment")).to_be_focused()
    await tab_to("#cancel")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Cancel this appointment?")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#cancel")).to_be_focused()


async def test_it_fits_a_phone_in_the_dark_and_moves_nothing_for_who_dislikes_that(
    windows: Windows, shop: Shop
) -> None:
    phone = {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "reduced_motion": "reduce",
    }
    page = await _open(windows, shop, await _provider(shop), **phone)

    async def is_right() -> None:
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
        assert await page.evaluate("document.getAnimations().length") == 0
        small = (
            "[...document.querySelectorAll('button, select, .button')].filter(one => "
            "one.checkVisibility() "
        )
        assert (
            await page.evaluate(
                f"{small} && one.getBoundingClientRect().height < 30).map(one => one.outerHTML)"
            )
            == []
        )

    await is_right()
    await _tomorrow(page)
    await _pick(page, "10:00")
    await is_right()
    await page.get_by_role("button", name="Another time").click()
    await page.goto(await _book(page, "11:00"))
    await expect(page.locator("#when")).to_contain_text("11:00")
    await is_right()


@live
async def test_a_lost_connection_is_announced_and_the_page_comes_back_by_itself(
    windows: Windows, shop: Shop
) -> None:
    provider = await _provider(shop)
    page = await _open(windows, shop, provider)
    await _tomorrow(page)
    await expect(page.locator(".freshness")).to_have_text(LIVE)
    starts_at = await _start_of(page, "10:00")
    shop.stop()
    await expect(page.locator(".notice.problem").filter(has_text="No connection.")).to_be_visible(
        timeout=15_000
    )
    await shop.start()
    await _taken_by_somebody_else(shop, provider, starts_at)
    await expect(page.locator(".freshness")).to_have_text(LIVE, timeout=30_000)
    await expect(_time(page, "10:00")).to_have_count(0)


async def test_booking_again_after_a_lost_answer_books_once(windows: Windows, shop: Shop) -> None:
    """The server books, but its answer never arrives; pressing the button again gives the same
    appointment.
    """
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    await _pick(page, "10:00")
    await _fill_in(page)
    answers: list[str] = []

    async def lose_the_first_booking(route: Route) -> None:
        if "bookAppointment" not in (route.request.post_data or ""):
            await route.continue_()
            return
        response = await route.fetch()
        answers.append(
            json.loads(await response.text())["data"]["bookAppointment"]["appointment"]["id"]
        )
        await (route.abort() if len(answers) == 1 else route.fulfill(response=response))

    await page.route("**/graphql", lose_the_first_booking)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.locator("#form-problem")).to_contain_text("No connection. Nothing is lost")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    assert len(answers) == 2
    assert len(set(answers)) == 1


async def test_an_overloaded_server_is_asked_again_when_it_said(
    windows: Windows, shop: Shop
) -> None:
    """The refusal is put into the answer on its way; everything else is real."""
    provider = await _provider(shop)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await _without_live_updates(page.context)
    busy = {"__typename": "TemporarilyUnavailableError", "message": "Busy.", "retryAfterSeconds": 2}
    asked: list[float] = []

    async def refuse_the_first_month(route: Route) -> None:
        if "query Month" not in (route.request.post_data or ""):
            await route.continue_()
            return
        asked.append(asyncio.get_running_loop().time())
        refusal = {"data": {"asked": {"free": busy, "next": None}}}
        await (route.continue_() if len(asked) > 1 else route.fulfill(json=refusal))

    await page.route("**/graphql", refuse_the_first_month)
    await page.goto(f"{shop.address}/?provider={provider}")
    await expect(
        page.get_by_text("Many people are looking right now. Trying again in 2 seconds.")
    ).to_be_visible()
    await expect(page.locator(".times button").first).to_be_visible()
    assert 1.9 < asked[1] - asked[0] < 4


async def test_a_first_day_that_fills_up_meanwhile_gives_way_to_the_next_free_one(
    windows: Windows, shop: Shop
) -> None:
    """Today and tomorrow are closed after the page learned its first day, before it has the month.

    On the last two days of a month, that is in the month after.
    """
    provider = await _provider(shop)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    today = datetime.now(UTC).date()
    away = {"from": f"{today}T00:00", "until": f"{today + timedelta(days=2)}T00:00"}
    closed = asyncio.Event()

    async def close_before_the_month(route: Route) -> None:
        if "query Month" in (route.request.post_data or "") and not closed.is_set():
            closed.set()
            answer = await shop.ask(TIME_OFF, input={"providerId": provider} | away)
            assert "id" in answer["addTimeOff"], answer
        await route.continue_()

    await page.route("**/graphql", close_before_the_month)
    await page.goto(f"{shop.address}/?provider={provider}")
    await expect(page.locator(".times button").first).to_be_visible()
    assert closed.is_set()


async def test_who_is_away_has_an_empty_month_that_says_so(windows: Windows, shop: Shop) -> None:
    provider = await _provider(shop, weeklyHours=[])
    page = await windows.open()
    await page.goto(f"{shop.address}/?provider={provider}")
    await expect(page.get_by_text("Nothing is free at the moment.")).to_be_visible()


async def test_back_lets_go_of_the_held_time(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop, await _provider(shop))
    await _tomorrow(page)
    await _pick(page, "10:00")
    await page.go_back()
    await expect(page.get_by_role("heading", name="Choose a time")).to_be_focused()
    await expect(_time(page, "10:00")).to_be_visible()


async def test_people_are_found_by_name_and_chosen_by_a_link(windows: Windows, shop: Shop) -> None:
    await _provider(shop, name="Zelda Unmistakable")
    page = await windows.open()
    await page.goto(shop.address)
    await page.get_by_label("Search by name").fill("unmistak")
    card = page.locator("#people > li")
    await expect(card).to_have_count(1)
    await card.get_by_role("link").click()
    await expect(page.get_by_text("Appointment · 1 h · With Zelda Unmistakable")).to_be_visible()
    assert windows.complaints == []


async def test_a_service_is_booked_with_anyone_and_the_page_says_who_and_where(
    windows: Windows, shop: Shop
) -> None:
    called, team = await _team(shop, 2)
    service = await _service(shop, team, rooms=2, name="Unmistakable massage")
    theirs = await _open_service(windows, shop, service)
    await _tomorrow(theirs)
    await expect(theirs.locator(".freshness")).to_have_text(LIVE)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await page.goto(shop.address)
    await page.get_by_label("Search by name").fill("unmistakable m")
    await expect(page.locator("#services > li")).to_have_count(1)
    await page.get_by_role("link", name="Unmistakable massage").click()
    await expect(page.get_by_label("With")).to_have_value("")
    await expect(page.locator(".times button").first).to_be_visible()
    await _tomorrow(page)
    await _pick(page, "10:00")
    held_with = await page.locator("#summary-with").inner_text()
    assert held_with in {f"With {name}" for name in called}
    await _fill_in(page)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    await expect(page.locator("#done-with")).to_have_text(held_with)
    await expect(page.locator("#done-place")).to_have_text("Room: Oak 1")
    await page.get_by_role("link", name="View appointment").click()
    await expect(page.locator("#with")).to_have_text(held_with)
    await expect(page.locator("#place")).to_have_text("Room: Oak 1")
    # The other one is free then, and is the next to be booked; then nobody is.
    start = await _start_of(theirs, "10:00")
    await _taken_by_somebody_else(shop, None, start, service=service)
    await expect(_time(theirs, "10:00")).to_have_count(0, timeout=PUSHED_MS)
    await expect(_time(theirs, "11:00")).to_be_visible()
    assert windows.complaints == []


async def test_a_service_is_booked_with_a_named_person(windows: Windows, shop: Shop) -> None:
    called, team = await _team(shop, 2)
    service = await _service(shop, team)
    page = await _open_service(windows, shop, service)
    await _tomorrow(page)
    start = await _start_of(page, "10:00")
    await _taken_by_somebody_else(shop, team[1], start, service=service)
    whom = page.get_by_label("With")
    await whom.focus()
    await whom.select_option(called[1])
    await expect(whom).to_be_focused()
    await expect(page).to_have_url(re.compile(f"provider={re.escape(team[1])}"))
    await expect(page.locator(".times button").first).to_be_visible()
    await _tomorrow(page)
    await expect(_time(page, "11:00")).to_be_visible()
    await expect(_time(page, "10:00")).to_have_count(0)
    await _book(page, "11:00")
    await expect(page.locator("#done-with")).to_have_text(f"With {called[1]}")
    await page.goto(f"{shop.address}/?service={service}")
    await expect(page.locator(".times button").first).to_be_visible()
    await _tomorrow(page)
    await expect(_time(page, "10:00")).to_be_visible()
    await expect(_time(page, "11:00")).to_be_visible()
    assert windows.complaints == []


@pytest.mark.parametrize(
    ("rooms", "others", "reason"),
    [
        (0, 2, "Nobody is free at 10:00 any more."),
        (1, 1, "The last room or device for 10:00 has just been taken."),
    ],
)
async def test_in_a_rush_the_page_says_what_is_gone_and_offers_the_nearest(
    rooms: int, others: int, reason: str, windows: Windows, shop: Shop
) -> None:
    _, team = await _team(shop, 2)
    service = await _service(shop, team, rooms=rooms)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await _without_live_updates(page.context)
    await page.goto(f"{shop.address}/?service={service}")
    await expect(page.locator(".times button").first).to_be_visible()
    await expect(page.locator(".freshness")).to_have_text("Refreshed every few seconds")
    await _tomorrow(page)
    start = await _start_of(page, "10:00")
    for _ in range(others):
        await _taken_by_somebody_else(shop, None, start, service=service)
    await _time(page, "10:00").click()
    await expect(page.get_by_text(f"{reason} The nearest free times:")).to_be_focused()
    nearest = page.locator(".conflict button").first
    time = (await nearest.inner_text())[-5:]
    await nearest.click()
    await expect(page.locator("#summary-when")).to_contain_text(time)


async def test_the_pages_say_where_a_visit_is_and_whom_to_call(
    windows: Windows, shop: Shop
) -> None:
    """Before booking with what the service says of itself, afterwards with the way there."""
    place = {
        "name": "Practice, West",
        "address": "12 quai de Valmy\n75010 Paris",
        "phone": "+33199001234",
        "directions": "The green door;\nring twice.",
    }
    location = (await shop.ask(CREATE_LOCATION, input=place))["createLocation"]["id"]
    _, team = await _team(shop, 1)
    rules = {"locationId": location, "description": "With hot stones.\nBring a towel."}
    page = await _open_service(windows, shop, await _service(shop, team, **rules))
    where = "Practice, West, 12 quai de Valmy, 75010 Paris"
    await expect(page.locator("#pick-facts")).to_contain_text(where)
    await expect(page.locator("#pick-about")).to_have_text("With hot stones.\nBring a towel.")
    await _tomorrow(page)
    link = await _book(page, "10:00")
    await expect(page.locator("#done-place")).to_have_text(where)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Add to calendar").click()
    file = await (await download.value).path()
    [event] = Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert str(event["location"]) == where
    await page.goto(link)
    await expect(page.locator("#place")).to_have_text(where)
    await expect(page.locator("#directions")).to_contain_text("The green door;")
    call = page.get_by_role("link", name="Call +33199001234")
    await expect(call).to_have_attribute("href", "tel:+33199001234")
    assert windows.complaints == []


async def test_a_visit_of_two_people_names_both_and_moves_into_its_own_time(
    windows: Windows, shop: Shop
) -> None:
    called, team = await _team(shop, 2)
    rules = {"providersNeeded": 2, "slotIntervalMinutes": 30}
    page = await _open_service(windows, shop, await _service(shop, team, rooms=1, **rules))
    both = f"With {called[0]} and {called[1]}"
    await expect(page.locator("#pick-facts")).to_contain_text(both)
    await expect(page.get_by_label("With")).to_be_hidden()
    await _tomorrow(page)
    link = await _book(page, "10:00")
    await expect(page.locator("#done-with")).to_have_text(both)
    await page.goto(link)
    await page.get_by_role("button", name="Change the time").click()
    await expect(_time(page, "11:00")).to_be_visible()
    await expect(_time(page, "10:00")).to_have_count(0)
    await _time(page, "10:30").click()
    await page.get_by_role("button", name="Move it").click()
    await expect(page.locator("#when")).to_contain_text("10:30")
    await expect(page.locator("#with")).to_have_text(both)
    await expect(page.locator("#place")).to_have_text("Room: Oak 1")
    assert windows.complaints == []


async def test_times_to_move_to_follow_what_others_take(windows: Windows, shop: Shop) -> None:
    """Asked for again at once when something changed, not only from time to time."""
    _, team = await _team(shop, 1)
    service = await _service(shop, team)
    page = await _open_service(windows, shop, service)
    await _tomorrow(page)
    link = await _book(page, "10:00")
    await page.goto(link)
    await page.get_by_role("button", name="Change the time").click()
    await expect(_time(page, "12:00")).to_be_visible()
    start = await _start_of(page, "12:00")
    await _taken_by_somebody_else(shop, team[0], start, service=service)
    await expect(_time(page, "12:00")).to_have_count(0, timeout=PUSHED_MS)
    await expect(_time(page, "13:00")).to_be_visible()


async def _class(shop: Shop) -> str:
    """An hour for four, at a price for each seat."""
    _, [teacher] = await _team(shop, 1)
    price = {"amountMinor": 1800, "currency": "EUR"}
    return await _service(shop, [teacher], name="Yoga class", seats=4, price=price)


async def _seats_taken(shop: Shop, service: str, starts_at: str, seats: int) -> None:
    """By another party."""
    wish = {
        "serviceId": service,
        "startsAt": starts_at,
        "seats": seats,
        "customer": {"name": "Another Party", "email": "party@example.com"},
        "customerTimeZone": "UTC",
        "idempotencyKey": f"party {next(keys)}",
    }
    answer = await shop.ask(BOOK, token="", input=wish)
    assert "appointment" in answer["bookAppointment"], answer


async def test_a_class_shows_the_seats_left_and_is_booked_for_a_party(
    windows: Windows, shop: Shop
) -> None:
    service = await _class(shop)
    page, theirs = [await _open_service(windows, shop, service) for _ in range(2)]
    for one in (page, theirs):
        await expect(one.locator("#pick-facts")).to_contain_text("Yoga class · 1 h · €18 per seat")
        await _tomorrow(one)
        await expect(one.locator(".freshness")).to_have_text(LIVE)
        await expect(_time(one, "10:00 4 seats left")).to_be_visible()
    await _seats_taken(shop, service, await _start(page, "10:00"), 2)
    await expect(_time(page, "10:00 2 seats left")).to_be_visible(timeout=PUSHED_MS)
    await page.get_by_role("spinbutton", name="Number of seats").fill("3")
    await expect(page.locator("#seats-price")).to_have_text("€54")
    await expect(page).to_have_url(re.compile(r"seats=3$"))
    await expect(_time(page, "11:00 4 seats left")).to_be_visible()
    await expect(page.locator(".times li").filter(has_text="10:00")).to_have_count(0)
    await _pick(page, "11:00 4 seats left")
    await expect(page.locator("#summary-party")).to_have_text("3 seats · €54")
    await expect(_time(theirs, "11:00 1 seat left")).to_be_visible(timeout=PUSHED_MS)
    await _fill_in(page)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("heading", name="You are booked")).to_be_focused()
    for _ in range(2):
        await expect(page.locator("#done-party")).to_have_text("3 seats · €54")
        await page.reload()
    await expect(_time(theirs, "11:00 1 seat left")).to_be_visible()
    assert windows.complaints == []


async def _start(page: Page, time: str) -> str:
    """The instant of a time that says how many seats are left."""
    item = page.locator(".times li").filter(has_text=re.compile(f"^{time}"))
    return str(await item.get_attribute("data-start"))


async def test_a_party_changes_its_time_and_its_size_by_its_link_and_cancels(
    windows: Windows, shop: Shop
) -> None:
    service = await _class(shop)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await page.goto(f"{shop.address}/?service={service}&seats=2")
    await expect(page.get_by_role("spinbutton", name="Number of seats")).to_have_value("2")
    await expect(page.locator(".times button").first).to_be_visible()
    await _tomorrow(page)
    await _seats_taken(shop, service, await _start(page, "11:00"), 2)
    link = await _book(page, "10:00 4 seats left")
    await page.goto(link)
    await expect(page.locator("#party")).to_have_text("2 seats · €36")
    # Larger, at the same time: its own seats count as free.
    await page.get_by_role("button", name="Change time or seats").click()
    await expect(_time(page, "11:00 2 seats left")).to_be_visible()
    await expect(page.locator(".times li").filter(has_text="10:00")).to_have_count(0)
    seats = page.get_by_role("spinbutton", name="Number of seats")
    await seats.fill("3")
    await expect(page.locator("#same-time")).to_have_text("To keep your time, choose it again.")
    await expect(page.locator("#seats-price")).to_have_text("€54")
    await _time(page, "10:00 4 seats left").click()
    await expect(page.locator("#confirm-text")).to_have_text(
        "3 seats instead of 2. The price will be €54."
    )
    await page.get_by_role("button", name="Change", exact=True).click()
    await expect(page.locator("#news")).to_contain_text("Changed.")
    await expect(page.locator("#party")).to_have_text("3 seats · €54")
    await expect(page.locator("#when")).to_contain_text("10:00")
    # Smaller, and into the session of the others.
    await page.get_by_role("button", name="Change time or seats").click()
    await expect(page.locator(".times li").filter(has_text="11:00")).to_have_count(0)
    await seats.fill("1")
    await _time(page, "11:00 2 seats left").click()
    await expect(page.locator("#confirm-text")).to_contain_text(
        "1 seat instead of 3. The price will be €18."
    )
    await page.get_by_role("button", name="Move it").click()
    await expect(page.locator("#news")).to_contain_text("Moved.")
    await page.reload()
    await expect(page.locator("#when")).to_contain_text("11:00")
    await expect(page.locator("#party")).to_have_text("1 seat · €18")
    await page.get_by_role("button", name="Cancel appointment").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel appointment").click()
    await expect(page.locator("#status")).to_have_text("Cancelled")
    theirs = await _open_service(windows, shop, service)
    await _tomorrow(theirs)
    await expect(_time(theirs, "10:00 4 seats left")).to_be_visible()
    await expect(_time(theirs, "11:00 2 seats left")).to_be_visible()
    assert windows.complaints == []


async def test_seats_taken_meanwhile_are_announced_and_the_nearest_are_a_click_away(
    windows: Windows, shop: Shop
) -> None:
    service = await _class(shop)
    page = await windows.open(timezone_id="UTC", locale="en-GB")
    await _without_live_updates(page.context)
    await page.goto(f"{shop.address}/?service={service}&seats=2")
    await expect(page.locator(".freshness")).to_have_text("Refreshed every few seconds")
    await _tomorrow(page)
    await _seats_taken(shop, service, await _start(page, "10:00"), 3)
    await _time(page, "10:00 4 seats left").click()
    await expect(
        page.get_by_text("There are not enough seats left at 10:00. The nearest free times:")
    ).to_be_focused()
    await page.locator(".conflict button").first.click()
    await expect(page.locator("#summary-party")).to_have_text("2 seats · €36")


async def test_the_number_of_seats_is_a_field_for_the_keyboard_with_a_limit(
    windows: Windows, shop: Shop
) -> None:
    page = await _open_service(windows, shop, await _class(shop))
    seats = page.get_by_role("spinbutton", name="Number of seats")
    await seats.focus()
    await page.keyboard.press("ArrowUp")
    await expect(page.locator("#seats-price")).to_have_text("€36")
    await expect(seats).to_be_focused()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("5")
    await expect(seats).to_have_attribute("aria-invalid", "true")
    await expect(seats).to_have_accessible_description("There are 4 seats at most.")
    await expect(page.locator("#seats-price")).to_have_text("€36")
    await page.keyboard.press("Tab")
    await expect(seats).to_have_value("2")
    await expect(seats).to_have_attribute("aria-invalid", "false")
    await expect(page).to_have_url(re.compile(r"seats=2$"))


async def test_a_service_without_seats_asks_for_none(windows: Windows, shop: Shop) -> None:
    _, team = await _team(shop, 1)
    page = await _open_service(windows, shop, await _service(shop, team) + "&seats=3")
    await expect(page.get_by_role("spinbutton", name="Number of seats")).to_be_hidden()
    await _tomorrow(page)
    await expect(_time(page, "10:00")).to_be_visible()
    await page.goto(await _book(page, "10:00"))
    await expect(page.get_by_role("button", name="Change the time")).to_be_visible()
    await expect(page.locator("#party")).to_be_empty()


@pytest.mark.parametrize(
    ("locale", "label", "left", "party"),
    [
        pytest.param(
            "de-DE", "Anzahl der Plätze", "4 Plätze frei", "2 Plätze · 36", marks=pytest.mark.full
        ),
        ("fr-FR", "Nombre de places", "4 places libres", "2 places · 36"),
        pytest.param(
            "es-ES", "Número de plazas", "4 plazas libres", "2 plazas · 36", marks=pytest.mark.full
        ),
    ],
)
async def test_classes_speak_the_languages_of_the_mails(
    locale: str, label: str, left: str, party: str, windows: Windows, shop: Shop
) -> None:
    page = await _open_service(windows, shop, await _class(shop), locale=locale)
    await page.get_by_role("spinbutton", name=label).fill("2")
    await expect(page.locator(".times button").last).to_contain_text(left)
    await page.locator(".times button").last.click()
    await expect(page.locator("#summary-party")).to_contain_text(party)
    assert windows.complaints == []
