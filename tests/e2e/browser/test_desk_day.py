"""A whole day of a practice at the desk: by mouse, with a second window open beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from playwright.async_api import Page, expect

from tests.e2e.browser.conftest import Shop, Windows
from tests.e2e.browser.practice import Practice, a_practice, block, drag, open_desk, spot

SETTINGS = {"SLOTWRIGHT_TEST_CLOCK": "on"}

ADVANCE = """mutation ($minutes: Int!) {
  advanceClock(input: {minutes: $minutes}) { ... on Clock { now } ... on UserError { message } }
}"""
MESSAGES = """query ($id: ID!) { appointment(id: $id) { messages { kind recipient } } }"""

BENS = ["Abel", "Bella", "Carl", "Dina", "Emil", "Fina", "Gil"]


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


async def test_a_whole_day_by_mouse(windows: Windows, shop: Shop) -> None:
    practice = await a_practice(shop)
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

    assert windows.complaints == []
