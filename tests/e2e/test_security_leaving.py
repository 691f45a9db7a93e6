"""Shutdown of a server: first not ready, then closed, and running requests finish."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.core.viewer import Role
from app.development.access_tokens import signed_token
from tests.builders import BOOK, a_booking, a_provider
from tests.e2e.program import get, make_organization, running
from tests.e2e.served import free_ports, processes
from tests.plain_http import NO_TLS

PATIENCE_SECONDS = 20
GRACE_SECONDS = 2


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_readiness_goes_first_then_sockets_and_streams_are_sent_elsewhere(
    workers: int, environment: dict[str, str], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    base = f"127.0.0.1:{port}"
    make_organization("salon", env=environment)
    env = environment | {"SLOTWRIGHT_DRAIN_SECONDS": "1", "SLOTWRIGHT_GRACE_SECONDS": "15"}
    with running(
        "serve", "--port", str(port), "--workers", str(workers), env=env, log=tmp_path / "log"
    ) as api:
        api.wait_until_answering(f"http://{base}/livez")
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx.AsyncClient(
                base_url=f"http://{base}", timeout=PATIENCE_SECONDS, verify=NO_TLS
            ) as client,
            connect(
                f"ws://{base}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]
            ) as connection,
        ):
            await connection.send(
                json.dumps({"type": "connection_init", "payload": {"organization": "salon"}})
            )
            assert json.loads(await connection.recv()) == {"type": "connection_ack"}
            api.process.send_signal(signal.SIGTERM)
            status, said = 200, ""
            while status == 200:
                answer = await client.get("/readyz")
                status, said = answer.status_code, answer.json()["status"]
            assert (status, said) == (503, "leaving")
            # It is alive, and still answers new requests.
            assert get(f"http://{base}/livez")[0] == 200
            answer = await client.post(
                "/graphql",
                json={"query": "{ viewer { role } }"},
                headers={"slotwright-organization": "salon"},
            )
            assert answer.json() == {"data": {"viewer": {"role": "ANONYMOUS"}}}
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            assert connection.close_code == 1012
        assert await asyncio.to_thread(api.process.wait, PATIENCE_SECONDS) == 0
        assert "Traceback" not in api.said
        with pytest.raises(httpx.ConnectError):
            get(f"http://{base}/livez")


async def test_an_open_event_stream_does_not_hold_the_process_up(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    make_organization("salon", env=environment)
    env = environment | {"SLOTWRIGHT_GRACE_SECONDS": "60"}
    with running("serve", "--port", str(port), env=env, log=tmp_path / "log") as api:
        api.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        token = signed_token(
            environment["SLOTWRIGHT_TOKEN_SECRET"],
            Role.ADMIN,
            "an-admin",
            "salon",
            timedelta(hours=1),
        )
        document = "subscription { appointmentChanges { kind } }"
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS, verify=NO_TLS
            ) as client,
            client.stream(
                "POST",
                "/graphql",
                json={"query": document},
                headers={"accept": "text/event-stream", "authorization": f"Bearer {token}"},
            ) as stream,
        ):
            assert stream.status_code == 200
            api.process.send_signal(signal.SIGTERM)
            async for line in stream.aiter_lines():
                assert "error" not in line
        assert await asyncio.to_thread(api.process.wait, PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("caller", [pytest.param("there", marks=pytest.mark.full), "gone"])
async def test_a_server_gives_up_what_hangs_when_its_grace_is_over(
    caller: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """A mutation that waits for PostgreSQL, with its caller there or gone: the server ends while the
    lock is still held, and nothing was written.
    """
    env = environment | {
        "SLOTWRIGHT_GRACE_SECONDS": str(GRACE_SECONDS),
        "SLOTWRIGHT_STATEMENT_TIMEOUT_MS": "60000",
    }
    async with processes(env, tmp_path, count=1) as (api,):
        ada = await a_provider(api)
        (process,) = (child for child in psutil.Process().children() if "serve" in child.cmdline())
        blocker = await asyncpg.connect(environment["DATABASE_URL"])
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE claim IN ACCESS EXCLUSIVE MODE")
            wish = a_booking(ada, datetime.combine(api.clock.now + timedelta(days=3), time(9), UTC))
            booking = asyncio.create_task(api.send(BOOK, input=wish))
            await somebody_waits_for("claim", blocker)
            if caller == "gone":
                booking.cancel()
            process.terminate()
            await asyncio.to_thread(process.wait, PATIENCE_SECONDS)
            await asyncio.gather(booking, return_exceptions=True)
        assert await blocker.fetchval("SELECT count(*) FROM appointment") == 0
        await blocker.close()


async def test_a_worker_gives_up_what_hangs_when_its_grace_is_over(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """It ends while the lock that its job waits for is still held, and says so."""
    env = environment | {
        "SLOTWRIGHT_GRACE_SECONDS": str(GRACE_SECONDS),
        "SLOTWRIGHT_STATEMENT_TIMEOUT_MS": "60000",
    }
    blocker = await asyncpg.connect(environment["DATABASE_URL"])
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE message_outbox IN ACCESS EXCLUSIVE MODE")
        with running("work", env=env, log=tmp_path / "log") as worker:
            # the job, and what measures how late it is
            await somebody_waits_for("message_outbox", blocker, number=2)
            worker.process.terminate()
            assert await asyncio.to_thread(worker.process.wait, PATIENCE_SECONDS) == 0
            assert "the worker has stopped" in worker.said
    await blocker.close()


async def somebody_waits_for(
    table: str, connection: asyncpg.Connection, *, number: int = 1
) -> None:
    """Until PostgreSQL holds up so many who want this table."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(waiting, table) < number:  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.02)


def test_a_second_signal_skips_the_wait(environment: dict[str, str], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    env = environment | {"SLOTWRIGHT_DRAIN_SECONDS": "300", "SLOTWRIGHT_GRACE_SECONDS": "600"}
    with running("serve", "--port", str(port), env=env, log=tmp_path / "log") as api:
        api.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        api.process.send_signal(signal.SIGTERM)
        while get(f"http://127.0.0.1:{port}/readyz")[0] == 200:
            assert api.process.poll() is None
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(PATIENCE_SECONDS) == 0, api.said
