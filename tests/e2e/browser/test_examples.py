"""The example tabs of GraphiQL, as a newcomer runs them: on the demo data, on the real server, one
after the other.
"""

from __future__ import annotations

import json
from typing import Any

from playwright.async_api import Page, expect

from tests.e2e.browser.conftest import Shop, Windows

DELETE_WEBHOOK = """
    mutation ($input: WebhookInput!) { deleteWebhook(input: $input) { __typename } }
"""
REMOVE_SOURCE = """
    mutation ($input: RemoveBusySourceInput!) { removeBusySource(input: $input) { __typename } }
"""


async def _open(windows: Windows, shop: Shop) -> Page:
    page = await windows.open()
    await page.goto(f"{shop.address}/graphql")
    await expect(page.locator(".graphiql-query-editor .CodeMirror")).to_be_visible()
    return page


async def _run(page: Page, tab: str) -> Any:  # noqa: ANN401 (JSON)
    """The answer to an example, run without touching it; the editor must find nothing wrong with it
    before.
    """
    await page.get_by_role("tab", name=tab).click()
    await expect(page.get_by_role("tab", selected=True)).to_contain_text(tab)
    await expect(page.locator(".CodeMirror-lint-mark-error")).to_have_count(0)
    # The editor asks for the schema as well, in its own time.
    asked = f'"operationName":"{tab}"'
    async with page.expect_response(
        lambda answer: asked in (answer.request.post_data or "")
    ) as response:
        await page.get_by_label("Execute query").click()
    answer = await (await response.value).json()
    assert "errors" not in answer, json.dumps(answer["errors"])
    return answer["data"]


async def test_every_example_shows_something_on_the_demo_data(windows: Windows, shop: Shop) -> None:
    page = await _open(windows, shop)
    assert (await _run(page, "Providers"))["providers"]["nodes"]
    availability = (await _run(page, "Availability"))["provider"]["availability"]
    assert sum(day["slotCount"] for day in availability["days"]) > 0
    services = (await _run(page, "Services"))["services"]["nodes"]
    assert any(need["resources"] for service in services for need in service["needs"])
    service = (await _run(page, "AnyFreeProvider"))["service"]["availability"]
    slots = [slot for day in service["days"] for slot in day["slots"]]
    assert slots
    assert all(slot["providerIds"] for slot in slots)
    assert len((await _run(page, "NextFreeTimes"))["nextAvailableSlots"]) == 10
    assert (await _run(page, "ExplainTime"))["explainTime"]["reasons"] == ["NOT_ON_GRID"]
    assert (await _run(page, "Practice"))["organization"]["locations"]
    assert (await _run(page, "Viewer"))["viewer"]["role"] == "ANONYMOUS"
    assert (await _run(page, "Appointments"))["appointments"]["nodes"] == []
    refused = (await _run(page, "PreviewClosedDate"))["setException"]
    assert refused["__typename"] == "NotAllowedError"
    assert (await _run(page, "Stranded"))["strandedAppointments"] is None
    assert (await _run(page, "Resources"))["resources"] is None
    assert (await _run(page, "Events"))["events"] is None
    assert (await _run(page, "Sessions"))["sessions"] is None
    assert windows.complaints == []


async def test_the_booking_example_books_once_however_often_it_is_run(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop)
    first = (await _run(page, "Book"))["bookAppointment"]
    again = (await _run(page, "Book"))["bookAppointment"]
    assert first["appointment"]["status"] == "CONFIRMED"
    assert again["appointment"]["id"] == first["appointment"]["id"]


async def test_the_examples_of_classes_list_hold_and_book_seats(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop)
    listed = (await _run(page, "ClassTimes"))["service"]
    assert listed["seats"] > 1
    slots = [slot for day in listed["availability"]["days"] for slot in day["slots"]]
    assert slots
    assert all(slot["seatsLeft"] >= 2 for slot in slots)
    held = (await _run(page, "HoldSeats"))["holdSlot"]
    assert held["seats"] == 2
    first = (await _run(page, "TakeSeats"))["bookAppointment"]
    again = (await _run(page, "TakeSeats"))["bookAppointment"]
    assert first["appointment"]["seats"] == 2
    assert first["appointment"]["price"]["amountMinor"] == 2 * listed["price"]["amountMinor"]
    assert again["appointment"]["id"] == first["appointment"]["id"]
    assert windows.complaints == []


async def test_the_examples_for_staff_preview_a_change_and_move_and_cancel_sessions(
    windows: Windows, shop: Shop
) -> None:
    page = await _open(windows, shop)
    await page.get_by_label("Token").fill(shop.token)
    await page.get_by_role("button", name="Use").click()
    await expect(page.locator("#viewer")).to_have_text("Administrator")
    await page.get_by_role("button", name="Restore examples").click()
    await expect(page.locator(".graphiql-query-editor .CodeMirror")).to_be_visible()
    preview = (await _run(page, "PreviewClosedDate"))["setException"]
    assert preview["openMinutesLost"] > 0
    assert (await _run(page, "Stranded"))["strandedAppointments"]["nodes"] == []
    [known] = (await _run(page, "Customers"))["customers"]["nodes"]
    assert known["externalId"] == "P-1042"
    assert known["appointments"]["nodes"]
    booked = (await _run(page, "ForCustomer"))["bookAppointment"]["appointment"]
    assert booked["customer"]["id"] == known["id"]
    assert (await _run(page, "Day"))["appointments"]["nodes"]
    handed = (await _run(page, "HandOver"))["rescheduleAppointment"]
    assert handed["__typename"] in {"BookingConfirmation", "SlotUnavailableError"}, handed
    left = (await _run(page, "PreviewArchive"))["updateProvider"]
    assert left["strandedCount"] == len(left["stranded"]) > 0
    feed = (await _run(page, "NewCalendarFeed"))["renewCalendarFeed"]
    assert feed["name"]
    assert "calendarFeedUrl" in feed  # this server knows no public address of its own
    happened = (await _run(page, "Events"))["events"]
    assert len(happened["nodes"]) == 20
    assert happened["pageInfo"]["hasNextPage"]
    hook = (await _run(page, "NewWebhook"))["createWebhook"]["webhook"]
    assert (await _run(page, "Webhooks"))["webhooks"] == [
        hook | {"disabledReason": None, "deliveries": {"nodes": []}}
    ]
    await shop.ask(DELETE_WEBHOOK, input={"id": hook["id"]})
    pushed = (await _run(page, "SetBusyTimes"))["setBusyTimes"]
    read = (await _run(page, "AddBusyFeed"))["addBusyFeed"]
    assert (pushed["name"], read["name"]) == ("Phone", "Private")
    for source in (pushed, read):
        await shop.ask(REMOVE_SOURCE, input={"id": source["id"]})
    sessions = (await _run(page, "Sessions"))["sessions"]["nodes"]
    assert any(session["appointments"]["nodes"] for session in sessions)
    moved = (await _run(page, "MoveSession"))["rescheduleSession"]
    assert moved["__typename"] == "Session"
    assert moved["seatsTaken"] > 0
    cancelled = (await _run(page, "CancelSession"))["cancelSession"]
    assert (cancelled["isCancelled"], cancelled["seatsTaken"]) == (True, 0)
    assert cancelled["id"] != moved["id"]
    assert windows.complaints == []
