"""Webhooks: how many deliveries a second one worker makes to a fast receiver, and where its time
goes.

The receiver is a process of its own and answers at once; PostgreSQL is durable, as in production.
"""

from __future__ import annotations

import asyncio
import cProfile
import multiprocessing
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import asyncpg

from app.core.provider import Organization
from app.core.viewer import Role, Viewer
from app.process.wiring import open_resources
from app.settings import ManageKey, Settings
from app.standins.embedded import embedded
from app.store.migrations import migrate
from app.usecases.practice.create_organization import create_organization
from app.usecases.resources import Resources
from app.usecases.webhooks.deliver_events import Deliverer
from app.usecases.webhooks.edit_webhook import WithSecret, create_webhook
from tests.benchmarks.rows import Row

DELIVERIES: Final = 2_000
BAR: Final = 300
SECRET: Final = "a secret of the measurements of 32 bytes or more"

EVENTS: Final = """
    INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version, occurred_at, actor)
    SELECT $1, (SELECT epoch FROM event_epoch WHERE organization_id = $1), pg_current_xact_id()::text::bigint,
        gen_random_uuid(), 'APPOINTMENT_BOOKED', gen_random_uuid(), 1, now(), 'GUEST'
    FROM generate_series(1, $2::integer)
"""


def main() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="slotwright-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded(folder) as servers, _receiver() as port:
            asyncio.run(migrate(servers.addresses.database_url))
            settings = Settings(
                database_url=servers.addresses.database_url,
                redis_url=servers.addresses.redis_url,
                token_secret=SECRET,
                manage_keys=(ManageKey(id="bench", secret=SECRET),),
                hash_secret=SECRET,
                outgoing_networks=(ip_network("127.0.0.0/8"),),
            )
            return asyncio.run(_measure(settings, f"http://127.0.0.1:{port}/hook"))


async def _measure(settings: Settings, url: str) -> list[Row]:
    connection = await asyncpg.connect(settings.database_url)
    try:
        async with open_resources(settings) as resources:
            organization = await create_organization(resources, slug="bench", name="Bench")
            assert isinstance(organization, Organization)
            viewer = Viewer(organization_id=organization.id, role=Role.ADMIN)
            created = await create_webhook(resources, viewer, url, None)
            assert isinstance(created, WithSecret)
            await _deliver(resources)
            await connection.execute(EVENTS, organization.id, DELIVERIES)
            started = time.perf_counter()
            await _deliver(resources)
            rate = DELIVERIES / (time.perf_counter() - started)
            delivered = await connection.fetchval(
                "SELECT count(*) FROM webhook_delivery WHERE status = 'DELIVERED'"
            )
            assert delivered > DELIVERIES
            await connection.execute(EVENTS, organization.id, DELIVERIES)
            profile = cProfile.Profile()
            profile.enable()
            await _deliver(resources)
            profile.disable()
            print(f"one worker: {rate:.0f} deliveries a second; its own time by package:")
            for package, share in _shares(profile):
                print(f"  {share:5.1%} {package}")
    finally:
        await connection.close()
    ours = f"{rate:.0f} deliveries a second"
    return [Row(what="webhooks: one worker, a fast receiver", ours=ours, ratio=rate, bar=BAR)]


async def _deliver(resources: Resources) -> None:
    deliverer = Deliverer(resources)
    while await deliverer.look():
        await deliverer.settle()


def _shares(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """Where the time of the process goes, waiting left out; the largest eight."""
    seconds: Counter[str] = Counter()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    for (file, _, function), (_, _, own, _, _) in found.items():
        if "select" in function or "poll" in function or "run_once" in function:
            continue
        path = file.replace("\\", "/")
        inside = path.split("site-packages/")[-1] if "site-packages/" in path else path
        package = (
            inside.split("/")[0] if "site-packages/" in path else "/".join(path.split("/")[-2:])
        )
        seconds["built into Python" if file == "~" else package] += own
    total = sum(seconds.values())
    return [(package, own / total) for package, own in seconds.most_common(8)]


@contextmanager
def _receiver() -> Iterator[int]:
    """The port of a receiver in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _receive(parent: Connection) -> None:
    asyncio.run(_answer(parent))


async def _answer(parent: Connection) -> None:
    server = await asyncio.start_server(_talk, "127.0.0.1", 0)
    parent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


if __name__ == "__main__":
    main()
