"""What can be read: providers, services, hours, free times, appointments."""

from __future__ import annotations

from tests.builders import Api, a_provider, an_appointment, listed, utc


async def test_a_booked_time_is_no_longer_listed(api: Api) -> None:
    """Listed ⇔ bookable: what somebody booked is gone from the list."""
    ada = await a_provider(api, weeklyHours=[{"weekday": "MONDAY", "start": "09:00", "end": "12:00"}])
    assert await listed(api, ada) == utc("2026-01-12", "09:00", "10:00", "11:00")
    await an_appointment(api, ada, "2026-01-12T10:00Z")
    assert await listed(api, ada) == utc("2026-01-12", "09:00", "11:00")
