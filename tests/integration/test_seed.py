"""The demo data: a practice with visits to come and visits that are over, the same however often
it is loaded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from uuid import UUID

from app.development.seed import seed
from app.usecases.messages.send_messages import send_messages
from tests.builders import Api

STATUSES = "SELECT status FROM appointment"
THINGS = """
    SELECT 'provider' AS kind, name FROM provider
    UNION ALL SELECT 'resource', name FROM resource
    UNION ALL SELECT 'service', name FROM service
"""
TAKEN = """
    SELECT service.name AS service, appointment.id, subject.kind, taken.is_named,
           coalesce(provider.name, resource.name) AS name
    FROM appointment
    JOIN service ON service.id = appointment.service_id
    JOIN appointment_subject AS taken ON taken.appointment_id = appointment.id
    JOIN subject ON subject.id = taken.subject_id
    LEFT JOIN provider ON provider.id = taken.subject_id
    LEFT JOIN resource ON resource.id = taken.subject_id
    WHERE appointment.session_id IS NULL
"""
KNOWN = """
    SELECT customer.external_id, count(*) FROM customer
    JOIN appointment ON appointment.customer_id = customer.id
    WHERE customer.external_id IS NOT NULL
    GROUP BY customer.external_id
"""
HOLIDAYS = "SELECT name FROM provider JOIN time_off ON time_off.subject_id = provider.id"
BUSY = """
    SELECT provider.name, busy_source.name AS source, count(*) AS times FROM provider
    JOIN busy_source ON busy_source.subject_id = provider.id
    JOIN busy_time ON busy_time.source_id = busy_source.id
    GROUP BY provider.name, busy_source.name
"""
PARTIES = """
    SELECT sum(appointment.seats) AS seats, count(*) AS bookings,
           (SELECT count(*) FROM claim WHERE claim.session_id = session.id AND claim.active)
               AS claims,
           (SELECT count(*) FROM claim WHERE claim.appointment_id = ANY(array_agg(appointment.id)))
               AS claims_of_bookings
    FROM session
    JOIN appointment ON appointment.session_id = session.id
    GROUP BY session.organization_id, session.id
    ORDER BY session.starts_at
"""
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
    things = sorted(map(tuple, await resources.pool.fetch(THINGS, ())))
    await seed(resources)
    assert Counter(row["status"] for row in await resources.pool.fetch(STATUSES, ())) == first
    assert sorted(map(tuple, await resources.pool.fetch(THINGS, ()))) == things
    assert len(set(things)) == len(things)
    assert [tuple(row) for row in await resources.pool.fetch(KNOWN, ())] == [("P-1042", 1)]
    assert [tuple(row) for row in await resources.pool.fetch(HOLIDAYS, ())] == [("Maja Nowak",)]
    busy = [tuple(row) for row in await resources.pool.fetch(BUSY, ())]
    assert busy == [("Dr Ada Moreau", "Private calendar", 2)]


async def test_the_clinic_assigns_therapists_and_rooms(own_api: Api) -> None:
    resources = own_api.resources
    await seed(resources)
    visits: dict[str, dict[UUID, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in await resources.pool.fetch(TAKEN, ()):
        assert not row["is_named"]
        visits[row["service"]][row["id"]].append((row["kind"], row["name"]))
    kinds = {
        name: [Counter(kind for kind, _ in taken) for taken in those.values()]
        for name, those in visits.items()
    }
    assert kinds == {
        "Massage": [{"PROVIDER": 1, "RESOURCE": 1}] * 3,
        "Hot stone massage": [{"PROVIDER": 1, "RESOURCE": 2}] * 3,
        "Four-hand massage": [{"PROVIDER": 2, "RESOURCE": 1}] * 3,
    }
    taken = {
        service: {
            name for those in of_service.values() for kind, name in those if kind == "RESOURCE"
        }
        for service, of_service in visits.items()
    }
    assert taken["Massage"] <= {"Linden", "Maple"}
    assert taken["Hot stone massage"] - {"Linden", "Maple"} == {"Hot stones"}
    assert taken["Four-hand massage"] == {"Garden"}


async def test_nothing_is_sent_about_a_visit_that_is_over(own_api: Api) -> None:
    resources = own_api.resources
    await seed(resources)
    await send_messages(resources)
    rows = await resources.pool.fetch(MESSAGES, (resources.clock(),))
    assert {row["status"] for row in rows} <= {"SKIPPED"}


async def test_parties_sit_in_classes_and_one_class_is_full(own_api: Api) -> None:
    resources = own_api.resources
    await seed(resources)
    rows = await resources.pool.fetch(PARTIES, ())
    assert [(row["seats"], row["bookings"]) for row in rows] == [(6, 3), (11, 4), (1, 1), (12, 5)]
    assert {(row["claims"], row["claims_of_bookings"]) for row in rows} == {(2, 0)}
