"""A whole day of a practice at the desk: by mouse, with a second window open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser.conftest import Shop, Windows
from tests.e2e.browser.practice import Practice, a_practice, block, drag, open_desk, spot

SETTINGS = {"SLOTWRIGHT_TEST_CLOCK": "on"}

ADVANCE = """mutation ($minutes: Int!) {
  advanceClock(input: {minutes: $minutes}) { ... on Clock { now } ... on UserError { message } }
}"""
MESSAGES = """query ($id: ID!) { appointment(id: $id) { messages { kind recipient } } }"""

BENS = ["Abel", "Bella", "Carl", "Dina", "Emil", "Fina", "Gil"]


async def _practice(shop: Shop) -> Practice:
    """A practice, and a week from now by the server's clock, which these tests move."""
    practice = await a_practice(shop)
    clock = (await practice.ask(ADVANCE, minutes=1))["advanceClock"]
    practice.day = datetime.fromisoformat(clock["now"]).date() + timedelta(7)
    return practice


async def _advance(practice: Practice, reading: str) -> None:
    """The server's clock, to this reading of the practice's day."""
    clock = (await practice.ask(ADVANCE, minutes=1))["advanceClock"]
    ahead = datetime.fromisoformat(practice.at(reading)) - datetime.fromisoformat(clock["now"])
    await practice.ask(ADVANCE, minutes=int(ahead.total_seconds() // 60) + 1)


async def _work_off(page: Page, name: str) -> Any:  # noqa: ANN401 (a locator)
    """Opens one of the stranded, from the list of them."""
    work = page.get_by_role("dialog", name="To be moved or cancelled")
    await work.get_by_role("button", name=name).click()
    return page.get_by_role("dialog").last


async def _walk_in(page: Page, theirs: Page) -> None:
    """Somebody whom the practice knows is squeezed in before the doors open."""
    await page.mouse.click(*await spot(page, "Cara", "08:00"))
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("angs")
    await dialog.get_by_role("button", name="Zoë Ångström").click()
    await dialog.get_by_label("the working hours").check()
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(block(theirs, "Zoë Ångström")).to_contain_text("08:00")


async def _crossing_moves(page: Page, theirs: Page, practice: Practice, visit: str) -> None:
    """Moved here while it moves over there: nobody undoes what somebody else did."""
    dialog = page.get_by_role("dialog")
    await drag(page, block(page, "Rosa Moves"), "Ada", "13:00")
    await expect(dialog.get_by_label("Time", exact=True)).to_have_value("13:00")
    await drag(theirs, block(theirs, "Rosa Moves"), "Cara", "14:00")
    await theirs.get_by_role("button", name="Move it").click()
    await expect(block(page, "Rosa Moves")).to_contain_text("14:00")
    await page.get_by_role("button", name="Move it").click()
    await expect(dialog.locator(".conflict")).to_contain_text("changed")
    await page.keyboard.press("Escape")
    seen = await practice.see(visit)
    assert (seen["reading"], seen["with"], seen["version"]) == ("14:00", ["Cara"], 2)


async def _illness(page: Page, theirs: Page, practice: Practice, ben: dict[str, str]) -> None:
    """Of seven who are stranded three are handed over, two moved, two cancelled."""
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Time off", exact=True).click()
    await dialog.get_by_label("Who").select_option(label="Ben")
    await dialog.get_by_label("Reason").fill("Ill")
    await dialog.get_by_role("button", name="Save").click()
    work = page.get_by_role("dialog", name="To be moved or cancelled")
    await expect(work.get_by_role("listitem")).to_have_count(7)
    await expect(theirs.get_by_role("button", name="7 to move or cancel")).to_be_visible()
    for index, name in enumerate(BENS):
        await (
            (await _work_off(page, name))
            .get_by_role("button", name="Cancel appointment" if index >= 5 else "Move…")
            .click()
        )
        last = page.get_by_role("dialog").last
        if index >= 5:
            await last.get_by_label("Reason").fill("Ben is ill.")
            await last.get_by_role("button", name="Cancel appointment").click()
        else:
            await last.get_by_label("With", exact=True).select_option(label="Ada")
            if index >= 3:
                await last.get_by_label("Time", exact=True).fill(f"{index + 11}:00")
            await last.get_by_role("button", name="Move it").click()
        await expect(work.get_by_role("listitem")).to_have_count(6 - index)
    await expect(work).to_contain_text("Nothing is left to do.")
    await page.keyboard.press("Escape")
    seen = {name: await practice.see(one) for name, one in ben.items()}
    assert [one["status"] for one in seen.values()] == ["CONFIRMED"] * 5 + ["CANCELLED"] * 2
    assert [one["reading"] for one in seen.values()][:5] == [
        *("09:00", "10:00", "11:00"),
        *("14:00", "15:00"),
    ]
    assert all(one["with"] == ["Ada"] for one in list(seen.values())[:5])
    for name in ("Fina", "Gil"):
        told = (await practice.ask(MESSAGES, id=ben[name]))["appointment"]["messages"]
        assert {"kind": "CANCELLED", "recipient": "CUSTOMER"} in told
    await expect(theirs.get_by_role("button", name="to move or cancel")).to_be_hidden()


async def _no_show(page: Page, theirs: Page, practice: Practice) -> None:
    """The first does not come; then they do."""
    dialog = page.get_by_role("dialog")
    await block(page, "Abel Adams").click()
    await dialog.get_by_role("button", name="No-show").click()
    await expect(page.locator("#toast")).to_contain_text("Abel Adams: no-show.")
    await expect(block(theirs, "Abel Adams")).to_have_accessible_name(
        "Abel Adams 09:00–10:00 Ada, Missed"
    )
    await page.locator("#toast").get_by_role("button", name="Undo").click()
    await expect(block(theirs, "Abel Adams")).to_have_accessible_name(
        "Abel Adams 09:00–10:00 Ada, Took place"
    )


async def _leaving(page: Page, theirs: Page, practice: Practice) -> None:
    """Ben leaves the practice: he has a column only where he is still booked, and comes back."""
    practice.day += timedelta(1)
    await practice.book("Nina Next", "10:00", person="Ben")
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Ben", exact=True).click()
    await page.get_by_role("button", name="Archive…").click()
    preview = page.get_by_role("dialog", name="Ben").get_by_role("status")
    await expect(preview).to_contain_text("1 appointment has to be moved or cancelled:")
    await expect(preview.get_by_role("button", name="Nina Next")).to_be_visible()
    await page.get_by_role("button", name="Archive Ben").click()
    work = page.get_by_role("dialog", name="To be moved or cancelled")
    await expect(work.get_by_role("listitem")).to_contain_text("Nina Next")
    await page.keyboard.press("Escape")
    heads = ".ec-header .ec-col-head:not(.ec-col-group)"
    for window in (page, theirs):
        await expect(window.locator(heads)).to_have_text(["Ada", "Cara", "Elm", "Oak"])
        await window.get_by_role("button", name="Later").click()
        await expect(window.locator(heads)).to_have_text(
            ["Ada", "Ben (archived)", "Cara", "Elm", "Oak"]
        )
        await expect(block(window, "Nina Next")).to_be_visible()
    await page.locator("#toast").get_by_role("button", name="Undo").click()
    await expect(page.locator(heads)).to_have_text(["Ada", "Ben", "Cara", "Elm", "Oak"])


async def _class_by_keyboard(page: Page) -> None:
    """A class is put off, then cancelled."""
    dialog = page.get_by_role("dialog")
    await _press(page, "Yoga (1 of 6)")
    await _press(page, "Move…")
    await _type(page, "Time", "1700")
    await _press(page, "Move it")
    await expect(dialog.locator(".conflict")).to_contain_text("outside")
    await _tab(page, "Time")
    await page.keyboard.type("1600")
    await _press(page, "Move it")
    await expect(block(page, "Yoga (1 of 6)")).to_contain_text("16:00")
    await _press(page, "Yoga (1 of 6)")
    await _press(page, "Cancel the class")
    await expect(page.locator("#announcer")).to_contain_text("Yoga (1 of 6) is cancelled.")


async def _leaving_by_keyboard(page: Page) -> None:
    """Ben leaves the practice, and comes back."""
    heads = page.locator(".ec-header .ec-col-head:not(.ec-col-group)")
    await _press(page, "Settings", back=True)
    await _press(page, "Ben")
    await _press(page, "Archive…")
    preview = page.get_by_role("dialog", name="Ben").get_by_role("status")
    await expect(preview).to_contain_text("No appointment is affected.")
    await page.keyboard.press("Enter")
    await expect(heads).to_have_text(["Ada", "Cara", "Elm", "Oak"])
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await _press(page, "Settings", back=True)
    await _press(page, "Ben")
    await _press(page, "Bring back")
    await expect(heads).to_have_text(["Ada", "Ben", "Cara", "Elm", "Oak"])
    await page.keyboard.press("Escape")


async def _tab(page: Page, name: str, *, back: bool = False) -> None:
    """Tab until what has the focus is called this, or is the field with this label."""
    said = """() => {
      const { activeElement: it } = document;
      const words = (text) => text?.replace(/\\s+/g, " ").trim();
      return [it.labels?.[0] ?? it].map((one) => words(one.innerText)).concat(words(it.ariaLabel));
    }"""
    for _ in range(80):
        text, label = await page.evaluate(said)
        if name in (label, text) or (text and text.startswith(f"{name} ")):
            return
        await page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab does not reach {name}.")


async def _press(page: Page, name: str, **how: bool) -> None:
    await _tab(page, name, **how)
    await page.keyboard.press("Enter")


async def _type(page: Page, label: str, text: str) -> None:
    await _tab(page, label)
    await page.keyboard.type(text)


async def _walk_in_by_keyboard(page: Page) -> None:
    """Somebody known, outside the hours."""
    await _press(page, "New booking")
    dialog = page.get_by_role("dialog")
    await _type(page, "Time", "0800")
    await _type(page, "With", "Cara")
    await expect(dialog.locator(".conflict")).to_contain_text("outside working hours")
    await _tab(page, "the working hours")
    await page.keyboard.press("Space")
    await _type(page, "Name", "angs")
    await expect(dialog.get_by_role("button", name="Zoë Ångström")).to_be_visible()
    await _press(page, "Zoë Ångström")
    await _press(page, "Book")
    await expect(block(page, "Zoë Ångström")).to_contain_text("08:00")


async def _illness_by_keyboard(page: Page) -> None:
    """Of two who are stranded one is handed over, one cancelled."""
    dialog = page.get_by_role("dialog")
    await _press(page, "Time off", back=True)
    await _type(page, "Who", "Ben")
    await _type(page, "Reason", "Ill")
    await expect(dialog.get_by_role("status")).to_contain_text("2 appointments have to be")
    await _press(page, "Save")
    work = page.get_by_role("dialog", name="To be moved or cancelled")
    await expect(work.get_by_role("listitem")).to_have_count(2)
    await _press(page, "Kim Keys")
    await _press(page, "Move…")
    await _type(page, "With", "Ada")
    await _press(page, "Move it")
    await expect(work.get_by_role("listitem")).to_have_count(1)
    await _press(page, "Gus Gone")
    await _press(page, "Cancel appointment")
    await _type(page, "Reason", "Ben is ill.")
    await _press(page, "Cancel appointment")
    await expect(work).to_contain_text("Nothing is left to do.")
    await page.keyboard.press("Escape")


async def _no_show_by_keyboard(page: Page) -> None:
    """Found by the search; missed, and come after all."""
    await _tab(page, "Find people", back=True)
    await page.keyboard.type("kim")
    await expect(page.locator("#announcer")).to_have_text("1 person found, 1 appointment found")
    await _tab(page, "Kim Keys kim@example.com")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await _press(page, "No-show")
    await expect(page.locator("#announcer")).to_have_text("Kim Keys: no-show.")
    await _press(page, "Undo")
    await expect(page.locator("#announcer")).to_have_text("Kim Keys: took place.")


async def test_a_whole_day_by_keyboard_alone(windows: Windows, shop: Shop) -> None:
    practice = await _practice(shop)
    stays = await practice.book("Kim Keys", "10:00", person="Ben")
    goes = await practice.book("Gus Gone", "14:00", person="Ben")
    taught = await practice.book("Yuri Yoga", "15:00", service="Yoga")
    await practice.customer("Zoë Ångström", phone="+442079460018")
    page = await windows.open(locale="en-GB", viewport={"width": 1400, "height": 1000})
    await page.goto(practice.address)
    await expect(page.get_by_label("Access token")).to_be_focused()
    await page.keyboard.insert_text(practice.token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(block(page, "Kim Keys")).to_be_visible()

    await _walk_in_by_keyboard(page)
    await _illness_by_keyboard(page)
    assert (await practice.see(stays))["with"] == ["Ada"]
    assert (await practice.see(goes))["status"] == "CANCELLED"
    await _class_by_keyboard(page)
    seen = await practice.see(taught)
    assert (seen["reading"], seen["status"]) == ("16:00", "CANCELLED")
    await _advance(practice, "10:05")
    await _no_show_by_keyboard(page)
    assert (await practice.see(stays))["status"] == "COMPLETED"
    await _leaving_by_keyboard(page)
    assert windows.complaints == []


@pytest.mark.full
async def test_a_whole_day_by_mouse(windows: Windows, shop: Shop) -> None:
    practice = await _practice(shop)
    ben = {
        name: await practice.book(f"{name} Adams", f"{9 + hour:02}:00", person="Ben")
        for hour, name in enumerate(BENS)
    }
    rosa = await practice.book("Rosa Moves", "11:00", person="Cara", service="Massage")
    for name in ("Yuri", "Yana"):
        await practice.book(f"{name} Yoga", "15:00", service="Yoga")
    await practice.customer("Zoë Ångström", phone="+442079460018")
    page, theirs = [await open_desk(windows, practice) for _ in range(2)]

    # The morning.
    await expect(page.locator(".ec-event", has_text="Adams")).to_have_count(7)
    await expect(block(page, "Yoga (2 of 6)")).to_be_visible()

    await _walk_in(page, theirs)
    await _crossing_moves(page, theirs, practice, rosa)
    await _illness(page, theirs, practice, ben)
    await _advance(practice, "09:05")
    await _no_show(page, theirs, practice)

    await _leaving(page, theirs, practice)
    assert windows.complaints == []
