"""What `/readyz` says while a deployment changes."""

from __future__ import annotations

from tests.builders import Api


async def test_a_running_process_stays_ready_while_its_database_is_upgraded(own_api: Api) -> None:
    await own_api.rows(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (9999, '9999_future', '')"
    )
    ready = await own_api.http.get("/readyz")
    assert (ready.status_code, ready.json()["postgresql"]) == (200, "newer")


async def test_a_database_that_lacks_something_is_not_ready(own_api: Api) -> None:
    await own_api.rows("DELETE FROM schema_migration WHERE version = 1")
    ready = await own_api.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
