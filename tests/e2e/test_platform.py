"""The commands, as processes: what they do, what they refuse and how they say it, and
how they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import yaml

from app.standins.embedded import Servers, free_port
from app.store.migrations import read_migrations
from tests.e2e.program import ROOT, ask, get, make_organization, run, running, wait_until_gone

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]


def one_sentence(errors: str) -> str:
    """What was said, which has to be one line, without a traceback."""
    said = [line for line in errors.splitlines() if line.startswith("slotwright: ")]
    assert len(said) == 1, errors
    assert "Traceback" not in errors
    return said[0].removeprefix("slotwright: ")


def test_migrate_says_what_it_does_and_is_safe_to_repeat(
    empty_database: str, environment: dict[str, str]
) -> None:
    env = {name: value for name, value in environment.items() if not name.startswith("SLOTWRIGHT_")}
    first = run("migrate", env=env | {"DATABASE_URL": empty_database})
    assert first.status == 0, first.errors
    assert first.output.splitlines() == [
        f"migrating: {migration.name}" for migration in read_migrations()
    ]
    again = run("migrate", env=env | {"DATABASE_URL": empty_database})
    assert (again.status, again.output) == (0, "nothing to migrate\n")


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_missing_setting_is_reported(command: str, environment: dict[str, str]) -> None:
    ended = run(
        command,
        env={
            name: value for name, value in environment.items() if name != "SLOTWRIGHT_HASH_SECRET"
        },
    )
    assert ended.status == 2
    assert one_sentence(ended.errors) == "SLOTWRIGHT_HASH_SECRET is not set."


@pytest.mark.parametrize(
    "command", [["serve", "--port", str(free_port())], ["work"]], ids=["serve", "work"]
)
def test_an_unmigrated_database_is_refused(
    command: list[str], empty_database: str, environment: dict[str, str]
) -> None:
    ended = run(*command, env=environment | {"DATABASE_URL": empty_database})
    assert ended.status == 1
    assert "python -m app migrate" in one_sentence(ended.errors)


@pytest.mark.parametrize(
    "command", [["serve", "--port", str(free_port())], ["work"], ["migrate"]], ids=lambda c: c[0]
)
async def test_a_newer_database_is_refused(
    command: list[str], database: str, environment: dict[str, str]
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (9999, '9999_future', '')"
    )
    await connection.close()
    ended = run(*command, env=environment)
    assert ended.status == 1
    assert "newer than this program" in one_sentence(ended.errors)


@pytest.mark.parametrize(
    "command", [["serve", "--port", str(free_port())], ["work"], ["migrate"]], ids=lambda c: c[0]
)
def test_an_unreachable_database_is_reported(
    command: list[str], environment: dict[str, str]
) -> None:
    ended = run(*command, env=environment | {"DATABASE_URL": "postgresql://me@127.0.0.1:1/nothing"})
    assert ended.status == 1
    assert "check DATABASE_URL" in one_sentence(ended.errors)


def test_a_busy_port_is_reported(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ended = run("serve", "--port", str(port), env=environment)
    assert ended.status == 1
    assert f"Port {port} of 127.0.0.1 is in use" in one_sentence(ended.errors)


def test_a_foreign_host_is_reported(environment: dict[str, str]) -> None:
    ended = run("serve", "--host", "192.0.2.1", "--port", str(free_port()), env=environment)
    assert ended.status == 1
    assert "Can't listen on port" in one_sentence(ended.errors)


@pytest.mark.parametrize(
    ("workers", "how"),
    [
        (1, signal.SIGINT),
        (2, signal.SIGTERM),
        pytest.param(
            2,
            signal.SIGKILL,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children so"),
        ),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.full),
        pytest.param(2, signal.SIGINT, marks=pytest.mark.full),
    ],
)
def test_serve_answers_and_ends_in_order(
    workers: int, how: signal.Signals, environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    arguments = ["serve", "--port", str(port), "--workers", str(workers)]
    with running(*arguments, env=environment, log=tmp_path / "log") as api:
        api.wait_until_answering(f"{base}/livez")
        assert get(f"{base}/readyz")[0] == 200
        children = api.descendants()
        assert api.end(how) == (-how if how is signal.SIGKILL else 0), api.said
        wait_until_gone(children)  # also where the parent was killed, and could not end them
        assert "Traceback" not in api.said


def test_serve_starts_and_answers_without_redis(
    environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    env = environment | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    make_organization("salon", env=env)
    with running("serve", "--port", str(port), env=env, log=tmp_path / "log") as api:
        api.wait_until_answering(f"{base}/livez")
        status, body = get(f"{base}/readyz")
        assert status == 200
        assert '"degraded"' in body
        answer = ask(base, "{ viewer { role } }", organization="salon")
        assert answer["data"]["viewer"]["role"] == "ANONYMOUS"


def test_an_organization_is_made_and_its_tokens_are_good(
    environment: dict[str, str], tmp_path: Path
) -> None:
    made = run(
        "organization", "create", "--slug", "salon-anna", "--name", "Salon Anna", env=environment
    )
    assert made.status == 0, made.errors
    uuid.UUID(made.output.strip())
    again = run(
        "organization", "create", "--slug", "salon-anna", "--name", "Another", env=environment
    )
    assert again.status == 1
    assert one_sentence(again.errors).startswith("--slug: ")
    odd = run(
        "organization", "create", "--slug", "Salon Anna", "--name", "Another", env=environment
    )
    assert odd.status == 1
    assert one_sentence(odd.errors).startswith("--slug: ")

    def token(*arguments: str) -> str:
        ended = run("token", "--organization", "salon-anna", *arguments, env=environment)
        assert ended.status == 0, ended.errors
        return ended.output.strip()

    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running("serve", "--port", str(port), env=environment, log=tmp_path / "log") as api:
        api.wait_until_answering(f"{base}/livez")
        for role in ("admin", "provider", "customer"):
            answer = ask(
                base, "{ viewer { role } }", token=token("--role", role, "--id", "somebody")
            )
            assert answer["data"]["viewer"]["role"] == role.upper()
        expired = ask(base, "{ viewer { role } }", token=token("--role", "admin", "--ttl", "0s"))
        assert expired["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_token_needs_a_secret(environment: dict[str, str], tmp_path: Path) -> None:
    env = {name: value for name, value in environment.items() if name != "SLOTWRIGHT_TOKEN_SECRET"}
    ended = run("token", "--role", "admin", "--data-dir", str(tmp_path), env=env)
    assert ended.status == 2
    assert one_sentence(ended.errors) == "SLOTWRIGHT_TOKEN_SECRET is not set."


def test_the_worker_says_that_it_is_well_and_ends_in_order(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert run("work", "--check", env=environment).status == 1
    with running("work", env=environment, log=tmp_path / "log") as worker:
        worker.wait_until_said("the worker runs")
        while run("work", "--check", env=environment).status != 0:
            assert worker.process.poll() is None, worker.said
        assert worker.end() == 0, worker.said
        assert "the worker has stopped" in worker.said
        assert "Traceback" not in worker.said
    assert run("work", "--check", env=environment).status == 1


def test_the_worker_goes_on_when_redis_was_away(
    environment: dict[str, str], tmp_path: Path, servers: Servers
) -> None:
    if not servers.owns_redis:
        pytest.skip("this Redis is not ours to stop")
    with running("work", env=environment, log=tmp_path / "log") as worker:
        try:
            worker.wait_until_said("the worker runs")
            servers.stop_redis()
            worker.wait_until_said("Redis is unavailable")
        finally:
            servers.start_redis()
        while run("work", "--check", env=environment).status != 0:
            assert worker.process.poll() is None, worker.said
        assert worker.end() == 0


def test_the_commands_of_compose_run(
    empty_database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """The same commands that docker-compose.yml gives to the image, in its order, at
    another port.
    """
    env = environment | {"DATABASE_URL": empty_database}
    port = free_port()
    at_port = {"8000": str(port), "0.0.0.0": "127.0.0.1"}  # noqa: S104  # replaced, not bound
    commands = {
        name: [at_port.get(word, word) for word in COMPOSE[name]["command"]]
        for name in ("migrate", "api", "worker")
    }
    assert run(*commands["migrate"], env=env).status == 0
    with (
        running(*commands["api"], env=env, log=tmp_path / "api") as api,
        running(*commands["worker"], env=env, log=tmp_path / "worker") as worker,
    ):
        api.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
        worker.wait_until_said("the worker runs")
        check = COMPOSE["worker"]["healthcheck"]["test"][4:]
        while run(*check, env=env).status != 0:
            assert worker.process.poll() is None, worker.said
        assert worker.end() == 0
        assert api.end() == 0


@contextlib.asynccontextmanager
async def dying_at(statement: bytes, database_url: str) -> AsyncIterator[str]:
    """An address of PostgreSQL at which it dies when it is asked for this."""
    there = urlsplit(database_url)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(there.hostname, there.port)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while (data := await source.read(65_536)) and statement not in data:
                sink.write(data)

        copies = {
            asyncio.create_task(copy(reader, forth)),
            asyncio.create_task(copy(back, writer)),
        }
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for task in copies:
            task.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        writer.transport.abort()
        forth.transport.abort()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(there._replace(netloc=re.sub(r":\d+$", f":{port}", there.netloc)))


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--port", str(free_port())],
        ["work"],
        ["migrate"],
        ["seed"],
        ["organization", "create", "--slug", "salon", "--name", "Salon"],
        ["token", "revoke", "--jti", "x", "--organization", "salon"],
    ],
    ids=lambda command: command[0],
)
async def test_a_database_that_dies_at_the_first_query_is_reported(
    command: list[str], environment: dict[str, str]
) -> None:
    looks = command[0] in {"serve", "work", "migrate"}
    statement = b"server_version_num" if looks else b"organization"
    async with dying_at(statement, environment["DATABASE_URL"]) as address:
        ended = await asyncio.to_thread(run, *command, env=environment | {"DATABASE_URL": address})
    assert "check DATABASE_URL" in one_sentence(ended.errors)
    assert ended.status == 1


@pytest.mark.full  # it takes longer to start than uvicorn would wait for
def test_a_worker_process_that_starts_slowly_is_not_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\nif '--multiprocessing-fork' in sys.orig_argv: time.sleep(8)\n"
    )
    env = environment | {"PYTHONPATH": str(tmp_path)}
    port = free_port()
    with running(
        "serve", "--port", str(port), "--workers", "2", env=env, log=tmp_path / "log"
    ) as api:
        api.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        assert "died" not in api.said
