"""The demo data: a practice with visits to come and visits that are over, the same however often
it is loaded.
"""

from __future__ import annotations

from collections import Counter

from app.development.seed import seed
from app.usecases.messages.send_messages import send_messages
from tests.builders import Api

STATUSES = "SELECT status FROM appointment"
MESSAGES = """
    SELECT reminder_log.status FROM reminder_log
    JOIN appointment ON appointment.id = reminder_log.appointment_id
    WHERE appointment.starts_at < $1
"""


async def test_visits_are_to_come_and_over_and_loading_again_adds_none(own_api: Api) -> None:
    resources = own_api.resources
    await seed(resources)
    first = Counter(row["status"] for row in await resources.pool.fetch(STATUSES, ()))
    assert first["CONFIRMED"] > 0
    assert (first["COMPLETED"], first["NO_SHOW"]) == (2, 1)
    await seed(resources)
    assert Counter(row["status"] for row in await resources.pool.fetch(STATUSES, ())) == first


async def test_nothing_is_sent_about_a_visit_that_is_over(own_api: Api) -> None:
    resources = own_api.resources
    await seed(resources)
    await send_messages(resources)
    rows = await resources.pool.fetch(MESSAGES, (resources.clock(),))
    assert {row["status"] for row in rows} <= {"SKIPPED"}
