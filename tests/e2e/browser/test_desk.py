"""The desk on the real server: by mouse and by keyboard, in two windows, on a telephone, in every
language.
"""

from __future__ import annotations

import re

import pytest
from graphql import GraphQLEnumType, build_schema
from playwright.async_api import Page, expect

from app.api.graph.schema import build_schema as program_schema
from app.core.viewer import Role
from app.web.pages import STATIC
from tests.e2e.browser.conftest import Shop, Windows
from tests.e2e.browser.practice import (
    Practice,
    a_practice,
    accessible,
    block,
    drag,
    many_rooms,
    open_desk,
    spot,
    token_for,
)
from tests.unit.outgoing.servers import answer, served

SETTINGS = {
    "SLOTWRIGHT_OUTGOING_NETWORKS": "127.0.0.0/8",
    "SLOTWRIGHT_PUBLIC_URL": "https://desk.example",
}
SCHEMA = build_schema(program_schema().as_str())
PUSHED_MS = 20_000
"""Changes arrive by subscription; the desk does not ask for them by itself."""


@pytest.fixture
async def practice(shop: Shop) -> Practice:
    return await a_practice(shop)


async def _fill_in(page: Page, name: str = "Grace Hopper") -> None:
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("E-mail", exact=True).fill("grace@example.com")


async def _pick(page: Page, label: str, option: str) -> None:
    await page.get_by_role("dialog").get_by_label(label, exact=True).select_option(option)


# ---------------------------------------------------------------- signing in


async def test_a_token_in_the_address_leaves_it_at_once_and_stays_in_the_tab(
    windows: Windows, practice: Practice
) -> None:
    page = await open_desk(windows, practice)
    await expect(page.locator("#practice")).to_have_text("Harbour Practice")
    assert practice.token not in await page.evaluate("location.href + JSON.stringify(localStorage)")
    await page.reload()
    await expect(page.locator("#practice")).to_have_text("Harbour Practice")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in to the desk")).to_be_visible()
    assert practice.token not in await page.evaluate("JSON.stringify(sessionStorage)")
    assert not [one for one in windows.addresses if practice.token in one.split("#")[0]]
    assert windows.complaints == []


async def test_signing_in_by_pasting_refuses_what_is_no_token_of_staff(
    windows: Windows, practice: Practice
) -> None:
    page = await windows.open(locale="en-GB")
    await page.goto(f"{practice.shop.address}/desk")
    token = page.get_by_label("Access token")
    await expect(token).to_be_focused()
    await accessible(page)
    for given, told in (
        ("nonsense", "This token is not valid, or it has expired."),
        (
            token_for(practice.slug, Role.CUSTOMER),
            "This token does not belong to the practice’s staff.",
        ),
    ):
        await token.fill(given)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text(told)
        await expect(token).to_have_accessible_description(told)
        await expect(token).to_be_focused()
    await token.fill(practice.token)
    await page.keyboard.press("Enter")
    await expect(page.locator("#practice")).to_have_text("Harbour Practice")


async def test_a_provider_sees_their_own_day(windows: Windows, practice: Practice) -> None:
    await practice.book("Olive Own", "10:00", person="Ada")
    await practice.book("Otto Other", "11:00", person="Ben")
    page = await open_desk(windows, practice, token=token_for(practice.slug, Role.PROVIDER, "ada"))
    await expect(block(page, "Olive Own")).to_be_visible()
    await expect(page.get_by_text("Otto Other")).to_have_count(0)


# ---------------------------------------------------------------- the agenda


async def test_the_day_has_a_column_for_each_person_and_room_in_the_practices_zone(
    windows: Windows, practice: Practice
) -> None:
    """The browser's own zone plays no part."""
    await practice.book("Mara Massage", "10:00", person="Ben", service="Massage")
    await practice.book("Yuri Yoga", "12:00", service="Yoga", seats=2)
    await practice.book("Yana Yoga", "12:00", service="Yoga")
    page = await open_desk(windows, practice)
    heads = page.locator(".ec-header .ec-col-head:not(.ec-col-group)")
    await expect(heads).to_have_text(["Ada", "Ben", "Cara", "Elm", "Oak"])
    await expect(page.locator("#zone-name")).to_have_text(ZONE_TEXT)
    # In the provider's column and in the room's.
    await expect(page.locator(".ec-event", has_text="Mara Massage")).to_have_count(2)
    await expect(block(page, "Mara Massage")).to_contain_text("10:00")
    await expect(block(page, "Mara Massage")).to_have_accessible_name(re.compile("Ben, (Elm|Oak)"))
    # A class is one block, however many come.
    await expect(page.locator(".ec-event", has_text="Yoga")).to_have_count(1)
    await expect(block(page, "Yoga (3 of 6)")).to_be_visible()
    await block(page, "Yoga (3 of 6)").click()
    await expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_text(
        ["Yuri Yoga 2 seats", "Yana Yoga 1 seat"]
    )
    await accessible(page)
    await page.keyboard.press("Escape")
    await expect(block(page, "Yoga (3 of 6)")).to_be_focused()
    await accessible(page)
    assert windows.complaints == []


ZONE_TEXT = "Europe/London"


async def test_columns_are_chosen_and_remembered(windows: Windows, practice: Practice) -> None:
    page = await open_desk(windows, practice)
    heads = page.locator(".ec-header .ec-col-head:not(.ec-col-group)")
    await page.locator("summary", has_text="Columns").click()
    await accessible(page)
    for name in ("Ada", "Elm", "Oak"):
        await page.get_by_label(name, exact=True).uncheck()
    await expect(heads).to_have_text(["Ben", "Cara"])
    # Of a list that has several pages, the last can be chosen, too.
    await many_rooms(practice, 101)
    await page.reload()
    await expect(heads).to_have_text(["Ben", "Cara"])
    await page.locator("summary", has_text="Columns").click()
    await page.get_by_label("Room 101").check()
    await expect(heads).to_have_text(["Ben", "Cara", "Room 101"])


async def test_the_week_shows_seven_days_and_the_list_reads_by_time(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Late Lena", "15:00", person="Ada")
    await practice.book("Early Emil", "09:00", person="Cara")
    page = await open_desk(windows, practice)
    await page.get_by_role("button", name="Week").click()
    await expect(page.locator(".ec-header .ec-col-group")).to_have_count(7)
    await expect(block(page, "Late Lena")).to_be_visible()
    await accessible(page)
    await page.get_by_role("button", name="List").click()
    rows = page.locator("#list tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("Early Emil")
    await accessible(page)
    await page.reload()
    await expect(rows.last).to_contain_text("Late Lena")
    await page.get_by_role("button", name="Later").click()
    await expect(page.locator("#list")).to_have_text("Nothing is booked.")


async def test_paper_gets_the_days_list_and_nothing_else(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Paula Paper", "15:00", person="Ada")
    page = await open_desk(windows, practice)
    await expect(block(page, "Paula Paper")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.locator("#list")).to_contain_text("Paula Paper")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    for selector in ("#grid", "#bar", "#views", ".tools"):
        await expect(page.locator(selector)).to_be_hidden()


# ---------------------------------------------------------------- booking, moving


async def test_a_click_on_a_free_time_books_it_and_a_second_window_follows(
    windows: Windows, practice: Practice
) -> None:
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]
    await page.mouse.click(*await spot(page, "Ben", "10:40"))
    dialog = page.get_by_role("dialog", name="New booking")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await expect(dialog.get_by_label("Time", exact=True)).to_have_value("10:30")
    await expect(dialog.get_by_label("With", exact=True)).to_have_value(practice.people["Ben"])
    await expect(dialog.locator(".verdict")).to_have_text("This time is free.")
    await _pick(page, "What", practice.services["Massage"])
    await accessible(page)
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await _fill_in(page)
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(page.locator("#announcer")).to_contain_text("Booked: Grace Hopper")
    for window in (page, theirs):
        await expect(block(window, "Grace Hopper")).to_contain_text("10:30", timeout=PUSHED_MS)
    await expect(theirs.locator("#announcer")).to_have_text("New: Grace Hopper, 10:30.")
    assert windows.complaints == []


async def test_what_is_in_the_way_is_said_and_the_nearest_time_is_a_click_away(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Tamsin Taken", "11:00", person="Ben")
    page = await open_desk(windows, practice)
    await page.get_by_role("button", name="New booking").click()
    dialog = page.get_by_role("dialog")
    await _pick(page, "With", practice.people["Ben"])
    await _pick(page, "What", "")
    await dialog.get_by_label("Time", exact=True).fill("11:00")
    await expect(dialog.locator(".conflict")).to_have_text("Something else is booked then.")
    await _fill_in(page)
    await dialog.get_by_role("button", name="Book", exact=True).click()
    alert = dialog.locator(".conflict")
    await expect(alert).to_contain_text("it is already taken")
    await expect(alert.get_by_role("group")).to_have_count(0)
    await accessible(page)
    await alert.get_by_role("button", name="10:00").click()
    await expect(dialog.get_by_label("Time", exact=True)).to_have_value("10:00")
    await page.keyboard.press("Enter")
    await expect(block(page, "Grace Hopper")).to_contain_text("10:00")


async def test_somebody_known_is_found_by_half_a_name_and_booked(
    windows: Windows, practice: Practice
) -> None:
    """In the form, and from the search at the top; it is the same record."""
    await practice.customer("Zoë Ångström", phone="+442079460018")
    page = await open_desk(windows, practice)
    await page.mouse.click(*await spot(page, "Ada", "10:00"))
    dialog = page.get_by_role("dialog", name="New booking")
    await dialog.get_by_label("Name", exact=True).fill("angs")
    await dialog.get_by_role("button", name="Zoë Ångström").click()
    await accessible(page)
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(block(page, "Zoë Ångström")).to_contain_text("10:00")
    await page.get_by_role("searchbox", name="Find people").fill("zoe")
    await expect(page.locator("#announcer")).to_have_text("1 person found, 1 appointment found")
    await accessible(page)
    await page.get_by_role("search").get_by_role("button", name="Zoë Ångström +44").click()
    await expect(page.get_by_role("dialog").get_by_role("listitem")).to_contain_text("10:00")
    await accessible(page)
    await page.get_by_role("dialog").get_by_role("button", name="New booking").click()
    await expect(dialog.locator(".chosen")).to_contain_text("Zoë Ångström")
    await _pick(page, "With", practice.people["Ben"])
    await dialog.get_by_label("Time", exact=True).fill("11:00")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(page.locator(".ec-event", has_text="Zoë Ångström")).to_have_count(4)
    assert await practice.customers("angstrom") == ["Zoë Ångström"]


async def test_a_second_attempt_for_somebody_new_makes_no_second_record(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Tamsin Taken", "11:00", person="Ben")
    page = await open_desk(windows, practice)
    await page.mouse.click(*await spot(page, "Ben", "10:00"))
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("Walter Walkin")
    await dialog.get_by_label("Time", exact=True).fill("11:00")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(dialog.get_by_label("E-mail")).to_be_focused()
    await dialog.get_by_label("Phone").fill("+442079460018")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(dialog.locator(".conflict")).to_contain_text("already taken")
    await dialog.get_by_label("Time", exact=True).fill("12:00")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(block(page, "Walter Walkin")).to_contain_text("12:00")
    assert await practice.customers("walter") == ["Walter Walkin"]


async def test_outside_the_hours_each_rule_is_set_aside_by_name(
    windows: Windows, practice: Practice
) -> None:
    page = await open_desk(windows, practice)
    await page.mouse.click(*await spot(page, "Ada", "08:15"))
    dialog = page.get_by_role("dialog")
    asked = dialog.get_by_role("group", name="To book it all the same, set aside:")
    await expect(dialog.locator(".conflict")).to_contain_text("It is outside working hours.")
    await dialog.get_by_label("Name", exact=True).fill("Walter Walkin")
    await dialog.get_by_label("Phone").fill("+442079460018")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(dialog.locator(".conflict")).to_contain_text("outside the provider's hours")
    await accessible(page)
    await asked.get_by_label("the working hours").check()
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(block(page, "Walter Walkin")).to_contain_text("08:15")
    # Moved back there by hand, it is asked for again.
    await drag(page, block(page, "Walter Walkin"), "Ben", "08:45")
    await page.keyboard.press("Enter")
    await dialog.get_by_label("the working hours").check()
    await dialog.get_by_role("button", name="Move it").click()
    await expect(block(page, "Walter Walkin")).to_contain_text("08:45")
    assert windows.complaints == []


async def test_time_off_is_dragged_and_what_it_strands_is_worked_off(
    windows: Windows, practice: Practice
) -> None:
    kept = await practice.book("Kate Keep", "13:00", person="Ada")
    moved = await practice.book("Mick Move", "10:00", person="Ada")
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]
    await practice.time_off("Oak", "Repairs")
    x, top = await spot(page, "Ada", "09:00")
    _, bottom = await spot(page, "Ada", "12:00")
    await page.mouse.move(x, top)
    await page.mouse.down()
    await page.mouse.move(x, bottom - 8, steps=12)
    await page.mouse.up()
    dialog = page.get_by_role("dialog", name="New time off")
    await expect(dialog.get_by_label("From, time")).to_have_value("09:00")
    await expect(dialog.get_by_label("Until, time")).to_have_value("12:00")
    await dialog.get_by_label("Reason").fill("Dentist")
    preview = dialog.get_by_role("status")
    await expect(preview).to_contain_text("Takes 3 h of open time.")
    await expect(preview).to_contain_text("1 appointment has to be moved or cancelled:")
    await expect(preview.get_by_role("button", name="Mick Move")).to_be_visible()
    await accessible(page)
    await dialog.get_by_role("button", name="Save").click()
    work = page.get_by_role("dialog", name="To be moved or cancelled")
    await expect(work.get_by_role("listitem")).to_have_count(1)
    await expect(work.get_by_role("listitem")).to_contain_text("Mick Move")
    await accessible(page)
    await expect(theirs.get_by_role("button", name="Time off Dentist")).to_be_visible(
        timeout=PUSHED_MS
    )
    await expect(theirs.get_by_role("button", name="1 to move or cancel")).to_be_visible()
    await work.get_by_role("button", name="Mick Move").click()
    await page.get_by_role("button", name="Move…").click()
    await _pick(page, "With", practice.people["Ben"])
    await page.get_by_role("button", name="Move it").click()
    await expect(work).to_contain_text("Nothing is left to do.")
    await page.keyboard.press("Escape")
    assert (await practice.see(moved))["with"] == ["Ben"]
    assert (await practice.see(kept))["version"] == 1
    await expect(theirs.get_by_role("button", name="1 to move or cancel")).to_be_hidden()
    await page.get_by_role("button", name="Time off Dentist").click()
    await page.get_by_role("button", name="Remove").click()
    for window in (page, theirs):
        await expect(window.get_by_role("button", name="Time off Dentist")).to_have_count(
            0, timeout=PUSHED_MS
        )
        # Whether a room is away is in nobody's free times.
        await expect(window.get_by_role("button", name="Time off Repairs Oak")).to_be_visible()
    assert windows.complaints == []


async def test_a_visit_is_dragged_to_another_time_and_person_and_back(
    windows: Windows, practice: Practice
) -> None:
    visit = await practice.book("Dora Drag", "10:00", person="Ada", service="Massage")
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]
    await drag(page, block(page, "Dora Drag"), "Cara", "13:30")
    dialog = page.get_by_role("dialog", name="Move Dora Drag")
    await expect(dialog.get_by_label("Time", exact=True)).to_have_value("13:30")
    await expect(dialog.get_by_label("With", exact=True)).to_have_value(practice.people["Cara"])
    await expect(dialog.get_by_role("button", name="Move it")).to_be_focused()
    await accessible(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("#toast")).to_contain_text("with Cara")
    for window in (page, theirs):
        await expect(block(window, "Dora Drag")).to_contain_text("13:30", timeout=PUSHED_MS)
        await expect(block(window, "Dora Drag")).to_have_accessible_name(re.compile("Cara"))
    seen = await practice.see(visit)
    assert (seen["reading"], seen["with"]) == ("13:30", ["Cara"])
    await page.locator("#toast").get_by_role("button", name="Undo").click()
    await expect(block(theirs, "Dora Drag")).to_contain_text("10:00", timeout=PUSHED_MS)
    seen = await practice.see(visit)
    assert (seen["reading"], seen["with"]) == ("10:00", ["Ada"])
    assert windows.complaints == []


async def test_a_drag_onto_what_is_taken_moves_nothing_and_says_why(
    windows: Windows, practice: Practice
) -> None:
    visit = await practice.book("Dora Drag", "10:00", person="Ada")
    await practice.book("Tamsin Taken", "13:00", person="Ben")
    page = await open_desk(windows, practice)
    await drag(page, block(page, "Dora Drag"), "Ben", "13:30")
    dialog = page.get_by_role("dialog")
    await page.keyboard.press("Enter")
    await expect(dialog.locator(".conflict")).to_contain_text("it is already taken")
    await page.keyboard.press("Escape")
    await expect(block(page, "Dora Drag")).to_contain_text("10:00")
    assert (await practice.see(visit))["version"] == 1


async def test_a_visit_is_moved_by_keyboard_alone(windows: Windows, practice: Practice) -> None:
    visit = await practice.book("Kim Keys", "10:00", person="Ada")
    page = await open_desk(windows, practice)
    await block(page, "Kim Keys").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Kim Keys")).to_be_visible()
    await accessible(page)
    move = page.get_by_role("button", name="Move…")
    await _tab_to(page, "Move…")
    await page.keyboard.press("Enter")
    await expect(move).to_have_count(0)
    dialog = page.get_by_role("dialog", name="Move Kim Keys")
    time = dialog.get_by_label("Time", exact=True)
    await time.focus()
    await page.keyboard.type("1430")
    await _tab_to(page, "Move it")
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    assert (await practice.see(visit))["reading"] == "14:30"
    await expect(block(page, "Kim Keys")).to_contain_text("14:30")
    await expect(page.locator("#announcer")).to_contain_text("Kim Keys is now at")


async def _tab_to(page: Page, name: str) -> None:
    """Tab, at most as often as a dialog has controls, until the button of this name has the focus."""
    for _ in range(40):
        if await page.evaluate("document.activeElement.textContent") == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {name}.")


async def test_a_visit_is_cancelled_with_a_reason(windows: Windows, practice: Practice) -> None:
    visit = await practice.book("Cora Cancel", "10:00", person="Ada")
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]
    await block(page, "Cora Cancel").click()
    await page.get_by_role("button", name="Cancel appointment").click()
    dialog = page.get_by_role("dialog", name="Cancel Cora Cancel’s appointment?")
    await dialog.get_by_label("Reason").fill("Ada is ill.")
    await accessible(page)
    await dialog.get_by_role("button", name="Cancel appointment").click()
    await expect(page.locator("#toast")).to_contain_text("Cora Cancel’s appointment is cancelled.")
    for window in (page, theirs):
        await expect(window.locator(".ec-event", has_text="Cora Cancel")).to_have_count(
            0, timeout=PUSHED_MS
        )
    assert (await practice.see(visit))["status"] == "CANCELLED"


async def test_at_the_customers_request_the_policy_applies_and_says_what_it_costs(
    windows: Windows, practice: Practice
) -> None:
    policy = {
        "freeUntilMinutesBefore": 500_000,
        "lateCancellation": "FEE",
        "lateFee": {"amountMinor": 2050, "currency": "EUR"},
    }
    await practice.update_provider("Ada", cancellationPolicy=policy)
    asked = await practice.book("Rita Request", "10:00", person="Ada")
    waived = await practice.book("Wim Waived", "11:00", person="Ada")
    page = await open_desk(windows, practice)
    for name, chosen in (
        ("Rita Request", "The customer asked for it: it costs €20.50."),
        ("Wim Waived", "The practice cancels: it costs nothing."),
    ):
        await block(page, name).click()
        await page.get_by_role("button", name="Cancel appointment").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("radio", name=chosen).check()
        await accessible(page)
        await dialog.get_by_role("button", name="Cancel appointment").click()
        await expect(dialog).to_have_count(0)
    assert (await practice.see(asked))["fee"] == {"amountMinor": 2050}
    assert (await practice.see(waived))["fee"] is None
    assert windows.complaints == []


async def test_messages_and_history_show_what_happened(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Hana History", "10:00", person="Ada")
    page = await open_desk(windows, practice)
    await block(page, "Hana History").click()
    dialog = page.get_by_role("dialog", name="Hana History")
    await dialog.get_by_text("Messages", exact=True).click()
    await expect(dialog.get_by_text("Confirmation · to the customer · e-mail")).to_be_visible()
    await dialog.get_by_text("History", exact=True).click()
    await expect(dialog.get_by_text("by an administrator")).to_be_visible()
    await accessible(page)


async def test_a_class_moves_and_is_cancelled_with_everybody_in_it(
    windows: Windows, practice: Practice
) -> None:
    visits = [
        await practice.book(name, "12:00", service="Yoga") for name in ("Yuri Yoga", "Yana Yoga")
    ]
    page = await open_desk(windows, practice)
    await drag(page, block(page, "Yoga (2 of 6)"), "Cara", "14:00")
    await page.get_by_role("button", name="Move it").click()
    await expect(block(page, "Yoga (2 of 6)")).to_contain_text("14:00")
    assert [(await practice.see(one))["reading"] for one in visits] == ["14:00", "14:00"]
    await block(page, "Yoga (2 of 6)").click()
    await page.get_by_role("button", name="Cancel the class").click()
    await expect(page.locator(".ec-event", has_text="Yoga")).to_have_count(0)
    assert [(await practice.see(one))["status"] for one in visits] == ["CANCELLED"] * 2


async def test_after_a_lost_connection_the_day_is_true_again(
    windows: Windows, practice: Practice
) -> None:
    page = await open_desk(windows, practice)
    await page.context.set_offline(True)
    await page.evaluate("dispatchEvent(new Event('offline'))")
    await practice.book("Rosa Reconnect", "10:00", person="Ada")
    await page.context.set_offline(False)
    await page.reload()
    await expect(block(page, "Rosa Reconnect")).to_be_visible()


async def test_what_was_given_is_corrected_and_a_new_link_opens_the_visit(
    windows: Windows, practice: Practice
) -> None:
    visit = await practice.book("Tina Tpyo", "10:00", person="Ada")
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]
    await block(page, "Tina Tpyo").click()
    await page.get_by_role("button", name="Correct…").click()
    dialog = page.get_by_role("dialog", name="Correct what Tina Tpyo gave")
    await expect(dialog.get_by_label("E-mail")).to_have_value("tina@example.com")
    await dialog.get_by_label("Name", exact=True).fill("Tina Typo")
    await dialog.get_by_label("E-mail").fill("tina")
    await dialog.get_by_label("Notes for staff").fill("Brings her dog.")
    await accessible(page)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_label("E-mail")).to_be_focused()
    await dialog.get_by_label("E-mail").fill("typo@example.com")
    await page.keyboard.press("Enter")
    await expect(block(theirs, "Tina Typo")).to_be_visible(timeout=PUSHED_MS)
    given = (await practice.see(visit))["contact"]
    assert (given["name"], given["email"]) == ("Tina Typo", "typo@example.com")
    await block(page, "Tina Typo").click()
    await expect(page.get_by_text("Brings her dog.")).to_be_visible()
    await page.get_by_role("button", name="New link…").click()
    await page.get_by_role("button", name="Make a new link").click()
    link = page.get_by_label("Link", exact=True)
    await expect(link).to_have_value(re.compile(r"/manage#"))
    await accessible(page)
    manage = await windows.open(locale="en-GB")
    await manage.goto(await link.input_value())
    await expect(manage.get_by_text("Tina Typo")).to_be_visible()
    assert windows.complaints == []


async def test_administrators_edit_locations_and_visits_say_where_they_are(
    windows: Windows, practice: Practice
) -> None:
    await practice.book("Lotte Located", "10:00", person="Ada")
    reception = await open_desk(
        windows, practice, token=token_for(practice.slug, Role.RECEPTION), query="&view=list"
    )
    await reception.get_by_role("button", name="Settings").click()
    await expect(reception.get_by_role("heading", name="Rooms and devices")).to_be_visible()
    await expect(reception.get_by_role("heading", name="Locations")).to_have_count(0)
    page = await open_desk(windows, practice)
    await page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Settings")
    await settings.get_by_role("button", name="New location").click()
    dialog = page.get_by_role("dialog", name="New location")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Name").fill("Pier 4")
    await dialog.get_by_label("Address").fill("4 The Pier\nHarbour")
    await accessible(page)
    await dialog.get_by_role("button", name="Save").click()
    await expect(settings.get_by_role("button", name="Pier 4")).to_be_visible()
    await settings.get_by_role("button", name="Ada").click()
    await page.get_by_label("Location").select_option(label="Pier 4")
    await page.get_by_role("button", name="Save").click()
    await expect(settings.get_by_role("button", name="Ada Pier 4")).to_be_visible()
    await accessible(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="New booking").click()
    await expect(page.get_by_text("Pier 4, 4 The Pier, Harbour")).to_be_visible()
    # Both the open settings and the list behind them, without a reload.
    await expect(reception.get_by_role("button", name="Ada Pier 4")).to_be_visible()
    await reception.keyboard.press("Escape")
    await expect(reception.get_by_role("row", name="Lotte Located")).to_contain_text("Ada · Pier 4")
    await reception.get_by_role("button", name="Lotte Located").click()
    await expect(reception.get_by_text("Pier 4, 4 The Pier, Harbour")).to_be_visible()
    assert windows.complaints == []


# ---------------------------------------------------------------- other calendars, webhooks


async def test_other_calendars_and_the_feed_are_set_up_and_busy_times_are_seen(
    windows: Windows, practice: Practice
) -> None:
    await practice.busy("Ada", "Choir", "14:00", "15:30")
    page = await open_desk(windows, practice, token=token_for(practice.slug, Role.PROVIDER, "ada"))
    await expect(page.locator(".ec-bg-event.away", has_text="Choir")).to_be_visible()
    await page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Settings")
    await expect(settings.get_by_role("listitem")).to_have_text(["Ada"])
    await settings.get_by_role("button", name="Ada").click()
    dialog = page.get_by_role("dialog", name="Ada")
    calendars = dialog.get_by_role("listitem")
    await expect(calendars).to_contain_text("Choir Sent by another program")
    await dialog.get_by_text("Add a calendar…").click()
    await dialog.get_by_label("Name of the calendar").fill("Private")
    await dialog.get_by_label("Address", exact=True).fill("ftp://127.0.0.1/ada.ics")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_label("Address", exact=True)).to_be_focused()
    await accessible(page)
    async with served(answer(status="404 Not Found")) as elsewhere:
        await dialog.get_by_label("Address", exact=True).fill(elsewhere.url)
        await dialog.get_by_role("button", name="Add", exact=True).click()
        await expect(calendars).to_have_text([re.compile("^Choir"), re.compile("^Private")])
        await practice.shop.read_feeds()
    await page.keyboard.press("Escape")
    await settings.get_by_role("button", name="Ada").click()
    private = calendars.filter(has_text="Private")
    await expect(private).to_contain_text("Can’t be read since")
    await expect(private).to_contain_text("status 404")
    await accessible(page)
    await dialog.get_by_role("button", name="Remove Choir").click()
    await expect(calendars).to_have_text([re.compile("^Private")])
    await dialog.get_by_role("button", name="Make an address").click()
    address = dialog.get_by_label("Feed address")
    await expect(address).to_have_value(re.compile(r"/calendars/.+\.ics$"))
    before = await address.input_value()
    await dialog.get_by_role("button", name="Replace the address").click()
    await expect(address).not_to_have_value(before)
    await accessible(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator(".ec-bg-event.away", has_text="Choir")).to_have_count(0)
    assert windows.complaints == []


async def test_a_webhook_is_made_tested_switched_off_and_deleted(
    windows: Windows, practice: Practice
) -> None:
    page = await open_desk(windows, practice)
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Webhooks").click()
    hooks = page.get_by_role("dialog", name="Webhooks")
    async with served(answer(b"thanks")) as receiver:
        await hooks.get_by_role("button", name="New webhook").click()
        made = page.get_by_role("dialog", name="New webhook")
        await made.get_by_label("Address of the receiver").fill("https://10.0.0.1/")
        await page.keyboard.press("Enter")
        await expect(made.get_by_label("Address of the receiver")).to_have_attribute(
            "aria-invalid", "true"
        )
        await made.get_by_label("Address of the receiver").fill(receiver.url)
        await page.keyboard.press("Enter")
        await expect(made.get_by_label("Secret")).to_have_value(re.compile("^whsec_"))
        await accessible(page)
        await page.keyboard.press("Escape")
        await hooks.get_by_role("button", name=receiver.url).click()
        hook = page.get_by_role("dialog", name=receiver.url)
        await hook.get_by_role("button", name="Send a test event").click()
        entry = hook.get_by_role("listitem").filter(has_text="WEBHOOK_TESTED")
        await expect(entry).to_contain_text("Delivered · Attempts: 1 · 200")
        await entry.get_by_role("button", name="Send again").click()
        await expect(entry).to_contain_text("Attempts: 2")
        await accessible(page)
        await hook.get_by_role("button", name="New secret").click()
        await expect(hook.get_by_label("Secret")).to_have_value(re.compile("^whsec_"))
        await hook.get_by_role("button", name="Switch off").click()
        await hooks.get_by_role("button", name=f"{receiver.url} Off").click()
        await hook.get_by_role("button", name="Remove").click()
        await expect(hooks.get_by_role("listitem")).to_have_count(0)
    assert windows.complaints == []


# ---------------------------------------------------------------- a telephone, languages


async def test_on_a_telephone_the_day_is_a_list_with_everything_in_reach(
    windows: Windows, practice: Practice
) -> None:
    visit = await practice.book("Pia Phone", "10:00", person="Ada", service="Massage")
    await practice.time_off("Oak", "Repairs")
    await practice.busy("Ada", "Choir", "14:00", "15:30")
    page = await open_desk(
        windows, practice, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await expect(page.locator("#grid")).to_be_hidden()
    absences = page.locator(".absences li")
    await expect(absences).to_have_text(
        ["Oak Time off · Repairs · 10:00 – 12:00", "Ada Choir · 14:00 – 15:30"]
    )
    await absences.get_by_role("button").click()
    await expect(page.get_by_label("Reason")).to_have_value("Repairs")
    await page.keyboard.press("Escape")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await accessible(page)
    await page.get_by_role("button", name="Pia Phone").click()
    await accessible(page)
    await page.get_by_role("button", name="Move…").click()
    await page.get_by_label("Time", exact=True).fill("11:30")
    await page.get_by_role("button", name="Move it").click()
    await expect(page.locator("#list tbody tr")).to_contain_text("11:30")
    assert (await practice.see(visit))["reading"] == "11:30"
    await page.get_by_role("button", name="Settings").click()
    await accessible(page)
    await page.get_by_role("button", name="Ada").click()
    await page.get_by_role("button", name="Archive…").click()
    await expect(page.get_by_role("status").get_by_role("button", name="Pia Phone")).to_be_visible()
    await accessible(page)
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert windows.complaints == []


@pytest.mark.parametrize(
    ("locale", "new", "move"),
    [
        pytest.param("de-DE", "Neuer Termin", "Verschieben …", marks=pytest.mark.full),
        pytest.param("fr-FR", "Nouveau rendez-vous", "Déplacer…", marks=pytest.mark.full),
        ("es-ES", "Nueva cita", "Mover…"),
    ],
)
async def test_the_desk_speaks_the_languages_of_the_mails(
    locale: str, new: str, move: str, windows: Windows, practice: Practice
) -> None:
    await practice.book("Lia Lingua", "10:00", person="Ada")
    page = await open_desk(windows, practice, locale=locale)
    await expect(page.locator("html")).to_have_attribute("lang", locale[:2])
    await expect(page.get_by_role("button", name=new)).to_be_visible()
    await accessible(page)
    await block(page, "Lia Lingua").click()
    await expect(page.get_by_role("button", name=move)).to_be_visible()


async def test_every_language_has_every_word_and_the_desk_needs_no_other(
    windows: Windows, practice: Practice
) -> None:
    page = await windows.open(locale="en-GB")
    await page.goto(f"{practice.shop.address}/desk")
    words = await page.evaluate(
        """async () => {
          const at = (name) => import(new URL(name, document.querySelector("script[type=module]").src));
          const [{ DESK }, { WORDS }] = [await at("words.js"), await at("../words.js")];
          return [DESK, WORDS];
        }"""
    )
    desk, everything = words
    names = set(desk["en"])
    for language, own in desk.items():
        assert set(own) == names, language
        for name, text in own.items():
            wanted = set(re.findall(r"\{(\w+)\}", desk["en"][name]))
            assert set(re.findall(r"\{(\w+)\}", text)) == wanted, (language, name)
    code = "".join(path.read_text() for path in sorted((STATIC / "desk").glob("*.js")))
    html = (STATIC.parent / "desk.html").read_text()
    said = set(re.findall(r"""\bt\("(\w+)\"""", code)) | set(
        re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', html)
    )
    assert said <= set(everything["en"]), said - set(everything["en"])
    for enum, prefixes in ENUMS.items():
        for value in _values(enum):
            missing = {f"{prefix}_{value}" for prefix in prefixes} - set(everything["en"])
            assert not missing, missing


ENUMS = {
    "AppointmentStatus": ["status", "now"],
    "AppointmentChangeKind": ["history", "changed"],
    "AppointmentActor": ["actor"],
    "ReminderKind": ["message"],
    "ReminderStatus": ["message"],
    "ReminderChannel": ["by"],
    "ReminderRecipient": ["to"],
    "UnbookableReason": ["why"],
    "RuleSetAside": ["rule"],
    "DeliveryStatus": ["delivery"],
}
"""Which values of the schema the desk says in words, and how their names begin."""


def _values(enum: str) -> list[str]:
    found = SCHEMA.type_map[enum]
    assert isinstance(found, GraphQLEnumType)
    return list(found.values)
