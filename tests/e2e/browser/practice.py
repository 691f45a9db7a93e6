"""A practice to try the desk on: three people, two rooms and a class, in an organization of its
own; and what a hand does at the desk.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import FloatRect, Locator, Page, expect

from app.core.viewer import Role
from app.development.access_tokens import signed_token
from tests.e2e.browser.conftest import SECRET, Shop, Windows

ZONE: Final = "Europe/London"
WEEK: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
SLOT_PIXELS: Final = 18
"""Height of a quarter of an hour on the grid."""

CREATE_PROVIDER = """mutation ($input: CreateProviderInput!) {
  createProvider(input: $input) { ... on Provider { id } ... on UserError { message } }
}"""
CREATE_RESOURCE = """mutation ($input: CreateResourceInput!) {
  createResource(input: $input) { ... on Resource { id } ... on UserError { message } }
}"""
CREATE_SERVICE = """mutation ($input: CreateServiceInput!) {
  createService(input: $input) { ... on Service { id } ... on UserError { message } }
}"""
CREATE_CUSTOMER = """mutation ($input: CreateCustomerInput!) {
  createCustomer(input: $input) { ... on Customer { id } ... on UserError { message } }
}"""
UPDATE_PROVIDER = """mutation ($input: UpdateProviderInput!) {
  updateProvider(input: $input) { ... on Provider { id } ... on UserError { message } }
}"""
ADD_TIME_OFF = """mutation ($input: AddTimeOffInput!) {
  addTimeOff(input: $input) { ... on TimeOff { id } ... on UserError { message } }
}"""
SET_BUSY_TIMES = """mutation ($input: SetBusyTimesInput!) {
  setBusyTimes(input: $input) { ... on BusySource { id } ... on UserError { message } }
}"""
CUSTOMERS = """query ($search: String) {
  customers(search: $search, first: 50) { nodes { name } }
}"""
BOOK = """mutation ($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    ... on BookingConfirmation { appointment { id version } }
    ... on UserError { message }
  }
}"""
SEE = """query ($id: ID!) {
  appointment(id: $id) {
    status startsAt version fee { amountMinor } providers { name } resources { name } contact { name email phone }
  }
}"""

_numbers = itertools.count(1)


@dataclass(slots=True, kw_only=True)
class Practice:
    """Ids by name, and a token of its administrator."""

    shop: Shop
    slug: str
    token: str
    day: date
    people: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of its desk, on its day."""
        return f"{self.shop.address}/desk?date={self.day}"

    async def ask(self, document: str, **variables: object) -> Any:  # noqa: ANN401 (JSON)
        return await self.shop.ask(document, token=self.token, **variables)

    def at(self, reading: str) -> str:
        """The instant of a reading of the practice's clocks on its day."""
        local = datetime.fromisoformat(f"{self.day}T{reading}").replace(tzinfo=ZoneInfo(ZONE))
        return local.astimezone(UTC).isoformat().replace("+00:00", "Z")

    async def book(
        self,
        name: str,
        reading: str,
        *,
        person: str | None = None,
        service: str | None = None,
        **more: object,
    ) -> str:
        """Books by the API; the id of the appointment."""
        contact = {"name": name, "email": f"{name.split(maxsplit=1)[0].lower()}@example.com"}
        wish = {
            "providerId": self.people.get(person or ""),
            "serviceId": self.services.get(service or ""),
            "startsAt": self.at(reading),
            "customer": contact,
            "customerTimeZone": ZONE,
            "idempotencyKey": f"practice {next(_numbers)}",
        } | more
        answer = (await self.ask(BOOK, input=wish))["bookAppointment"]
        assert "appointment" in answer, answer
        return str(answer["appointment"]["id"])

    async def customer(self, name: str, **more: object) -> str:
        """Enters somebody by the API; their id."""
        return await _made(self, CREATE_CUSTOMER, {"name": name, "timeZone": ZONE} | more)

    async def update_provider(self, name: str, **rules: object) -> None:
        """Changes one of the three by the API."""
        await _made(self, UPDATE_PROVIDER, {"id": self.people[name]} | rules)

    async def time_off(self, room: str, reason: str) -> None:
        """Of a room, on the practice's day, by the API."""
        wish = {
            "resourceId": self.rooms[room],
            "from": f"{self.day}T10:00",
            "until": f"{self.day}T12:00",
            "reason": reason,
        }
        await _made(self, ADD_TIME_OFF, wish)

    async def busy(self, name: str, source: str, start: str, end: str) -> None:
        """What another calendar says about the practice's day of one of the three."""
        wish = {
            "providerId": self.people[name],
            "source": source,
            "from": self.at("00:00"),
            "to": self.at("23:00"),
            "busy": [{"startsAt": self.at(start), "endsAt": self.at(end)}],
        }
        await _made(self, SET_BUSY_TIMES, wish)

    async def customers(self, search: str) -> list[str]:
        """The names that the API finds."""
        found = (await self.ask(CUSTOMERS, search=search))["customers"]["nodes"]
        return [one["name"] for one in found]

    async def see(self, appointment_id: str) -> dict[str, Any]:
        """The appointment as the API has it now, with its start by the practice's clocks."""
        seen: dict[str, Any] = (await self.ask(SEE, id=appointment_id))["appointment"]
        start = datetime.fromisoformat(seen["startsAt"]).astimezone(ZoneInfo(ZONE))
        return seen | {
            "reading": f"{start:%H:%M}",
            "with": [one["name"] for one in seen["providers"]],
        }


def token_for(slug: str, role: Role, subject: str = "somebody") -> str:
    return signed_token(SECRET, role, subject, slug, timedelta(hours=1))


async def a_practice(shop: Shop, *, days_ahead: int = 7) -> Practice:
    """Ada, Ben and Cara work from 9 to 17; massages need one of two rooms; Cara teaches yoga."""
    slug = f"practice-{next(_numbers)}"
    await shop.make_organization(slug, "Harbour Practice")
    practice = Practice(
        shop=shop,
        slug=slug,
        token=token_for(slug, Role.ADMIN),
        day=datetime.now(ZoneInfo(ZONE)).date() + timedelta(days_ahead),
    )
    hours = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in WEEK]
    for name in ("Ada", "Ben", "Cara"):
        wish = {
            "name": name,
            "timeZone": ZONE,
            "serviceDurationMinutes": 60,
            "slotIntervalMinutes": 30,
            "weeklyHours": hours,
            "subject": name.lower(),
        }
        practice.people[name] = await _made(practice, CREATE_PROVIDER, wish)
    for name in ("Oak", "Elm"):
        room = {"name": name, "kind": "room", "timeZone": ZONE}
        practice.rooms[name] = await _made(practice, CREATE_RESOURCE, room)
    massage = {
        "name": "Massage",
        "providerIds": list(practice.people.values()),
        "durationMinutes": 60,
        "price": {"amountMinor": 6000, "currency": "EUR"},
        "needs": [{"name": "Room", "resourceIds": list(practice.rooms.values())}],
    }
    yoga = {
        "name": "Yoga",
        "providerIds": [practice.people["Cara"]],
        "durationMinutes": 60,
        "seats": 6,
    }
    practice.services["Massage"] = await _made(practice, CREATE_SERVICE, massage)
    practice.services["Yoga"] = await _made(practice, CREATE_SERVICE, yoga)
    return practice


async def many_rooms(practice: Practice, count: int) -> None:
    """So many rooms, named "Room 001" and so on; twenty in a request, which is the most."""
    for first in range(1, count + 1, 20):
        made = "\n".join(
            f'room{number}: createResource(input: {{name: "Room {number:03}", kind: "room", '
            f'timeZone: "{ZONE}"}}) {{ ... on UserError {{ message }} }}'
            for number in range(first, min(first + 20, count + 1))
        )
        answers = await practice.ask(f"mutation {{ {made} }}")
        assert not any(answers.values()), answers


async def _made(practice: Practice, document: str, wish: dict[str, Any]) -> str:
    [answer] = (await practice.ask(document, input=wish)).values()
    assert "id" in answer, answer
    return str(answer["id"])


async def open_desk(
    windows: Windows,
    practice: Practice,
    *,
    token: str | None = None,
    query: str = "",
    **options: Any,  # noqa: ANN401 (playwright's)
) -> Page:
    """A signed-in desk on the practice's day, in a browser of another zone."""
    usual = {
        "timezone_id": "America/New_York",
        "locale": "en-GB",
        "viewport": {"width": 1400, "height": 1000},
    }
    page = await windows.open(**usual | options)
    await page.goto(f"{practice.address}{query}#token={token or practice.token}")
    await expect(page.locator("#freshness")).to_have_class("freshness live")
    return page


def block(page: Page, name: str) -> Locator:
    """What is booked for this name, where it is shown first: with its provider."""
    return page.locator(".ec-event:not(.ec-ghost):not(.ec-preview) button", has_text=name).first


async def _box(what: Locator) -> FloatRect:
    """Where it is on the screen; what is being drawn again is waited for."""
    for _ in range(10):
        await expect(what).to_be_attached()
        box = await what.bounding_box()
        if box is not None:
            return box
    raise AssertionError(f"{what} is nowhere on the screen.")


async def spot(page: Page, column: str, reading: str) -> tuple[float, float]:
    """Where on the screen this column and this reading meet."""
    head = await _box(page.locator(".ec-col-head", has_text=column).last)
    hour = page.locator(".ec-body .ec-sidebar time").get_by_text(
        f"{int(reading[:2])}:00", exact=True
    )
    line = await _box(hour)
    minutes = int(reading[3:])
    down = line["y"] + line["height"] / 2 + minutes / 15 * SLOT_PIXELS
    return head["x"] + head["width"] / 2, down + 3


async def drag(page: Page, what: Locator, column: str, reading: str) -> None:
    """Drags a block so that it begins at this reading in this column."""
    box = await _box(what)
    x, y = await spot(page, column, reading)
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 6)
    await page.mouse.down()
    await page.mouse.move(x, y + 20, steps=8)
    await page.mouse.move(x, y + 4, steps=4)
    await page.mouse.up()


async def accessible(page: Page) -> None:
    """axe-core finds nothing, in either colour scheme."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        await page.wait_for_function(
            "document.getAnimations().every((a) => a.playState !== 'running')"
        )
        results = await Axe().run(page)
        found = [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in results.response["violations"]
            for node in one["nodes"]
        ]
        assert not found, (scheme, found)
