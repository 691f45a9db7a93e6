"""`dev`: from nothing to a served query with one command, and to a clean end with Ctrl-C, even
after failures.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.standins.embedded import RELOCATED, free_port
from tests.e2e.program import ROOT, ask, get, run, running, wait_until_gone

READY = "Slotwright is ready"
TOKEN = re.compile(r"^ +(administrator|provider|customer) +(\S+\.\S+\.\S+)$", re.MULTILINE)


@pytest.fixture
def bare() -> dict[str, str]:
    """An environment without any setting of ours: dev brings its own."""
    ours = {"DATABASE_URL", "REDIS_URL"}
    return {
        name: text
        for name, text in os.environ.items()
        if name not in ours and not name.startswith("SLOTWRIGHT_")
    }


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that every user can reach; pytest's own are for one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="slotwright-dev-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


def tokens(said: str) -> dict[str, str]:
    return dict(TOKEN.findall(said))


def viewer_role(base: str, token: str) -> str:
    role: str = ask(base, "{ viewer { role } }", token=token)["data"]["viewer"]["role"]
    return role


def provider_names(base: str) -> list[str]:
    nodes = ask(base, "{ providers(first: 100) { nodes { name } } }")["data"]["providers"]["nodes"]
    return sorted(node["name"] for node in nodes)


def dev(data_dir: Path, port: int, *more: str) -> list[str]:
    return ["dev", "--data-dir", str(data_dir), "--port", str(port), *more]


def test_dev_serves_and_ctrl_c_stops_everything(
    bare: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running(*dev(data_dir, port), env=bare, log=tmp_path / "log") as program:
        program.wait_until_said("Ctrl-C stops everything")
        said = tokens(program.said)
        assert list(said) == ["administrator", "provider", "customer"]
        assert [viewer_role(base, token) for token in said.values()] == [
            "ADMIN",
            "PROVIDER",
            "CUSTOMER",
        ]
        assert provider_names(base)
        assert get(f"{base}/readyz")[0] == 200

        second = run(*dev(data_dir, free_port()), env=bare)
        assert second.status == 1
        assert second.errors.count("\n") == 1
        assert (
            f"already runs on the data folder {data_dir} (process {program.process.pid})"
            in second.errors
        )

        elsewhere = run(*dev(data_dir.with_name("other"), port), env=bare)
        assert elsewhere.status == 1
        assert elsewhere.errors == (
            f"slotwright: Port {port} of 127.0.0.1 is in use: stop what uses it, or choose "
            "another "
            "with --port.\n"
        )

        another = run(
            "token", "--role", "customer", "--id", "x", "--data-dir", str(data_dir), env=bare
        )
        assert viewer_role(base, another.output.strip()) == "CUSTOMER"

        children = program.descendants()
        assert {"postgres", "redis-server"} <= {child.name() for child in children}
        assert program.end(signal.SIGINT) == 0
        wait_until_gone(children)
        assert "Traceback" not in program.said


@pytest.mark.full
def test_a_killed_run_is_recovered_from(
    bare: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running(*dev(data_dir, port), env=bare, log=tmp_path / "first") as program:
        program.wait_until_said(READY)
        before = provider_names(base)
        token = tokens(program.said)["administrator"]
        children = program.descendants()
        program.end(signal.SIGKILL)
        wait_until_gone(children)
    with running(*dev(data_dir, port), env=bare, log=tmp_path / "second") as program:
        program.wait_until_said(READY)
        assert "making a PostgreSQL cluster" not in program.said
        assert provider_names(base) == before, "the data are kept, and loaded once"
        assert viewer_role(base, token) == "ADMIN", "the secrets are kept"


def test_given_servers_take_the_place_of_the_embedded_ones(
    bare: dict[str, str], data_dir: Path, tmp_path: Path, empty_database: str, redis_url: str
) -> None:
    port = free_port()
    given = bare | {"DATABASE_URL": empty_database, "REDIS_URL": redis_url}
    with running(*dev(data_dir, port, "--no-seed"), env=given, log=tmp_path / "log") as program:
        program.wait_until_said(READY)
        assert empty_database in program.said
        assert redis_url in program.said
        assert {"postgres", "redis-server"}.isdisjoint(
            child.name() for child in program.descendants()
        )
        assert not (data_dir / "servers").exists()
        assert (
            viewer_role(f"http://127.0.0.1:{port}", tokens(program.said)["administrator"])
            == "ADMIN"
        )
        assert provider_names(f"http://127.0.0.1:{port}") == []


@pytest.mark.full
def test_several_workers_share_the_port_and_sigterm_stops_everything(
    bare: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    with running(
        *dev(data_dir, port, "--no-seed", "--workers", "2"), env=bare, log=tmp_path / "log"
    ) as program:
        program.wait_until_said(READY)
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
        children = program.descendants()
        assert {"postgres", "redis-server"} <= {child.name() for child in children}
        assert program.end(signal.SIGTERM) == 0
        wait_until_gone(children)
        assert "Traceback" not in program.said


def python_for_everybody(folder: Path) -> Path:
    """This interpreter, copied, as the one of .venv may lie where others can't go (below /root, for
    example).
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    unneeded = shutil.ignore_patterns(
        "site-packages", "test", "idlelib", "ensurepip", "config-*", "__pycache__"
    )
    base = Path(sys.base_prefix)
    shutil.copytree(base / "lib" / version, folder / "lib" / version, ignore=unneeded)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(library, folder / "lib")
    (folder / "bin").mkdir()
    shutil.copy2(Path(sys.executable).resolve(), folder / "bin" / version)
    return folder / "bin" / version


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_dev_runs_for_users_who_are_not_root(
    bare: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home = data_dir.with_name("python")
    python = str(python_for_everybody(home))
    env = bare | {
        "HOME": "/nonexistent",
        "LD_LIBRARY_PATH": str(home / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
    }
    asked = [python, "-c", "import app, asyncpg"]
    tried = subprocess.run(
        asked, env=env, cwd="/", user=nobody, capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(
            f"the user nobody can't reach the checkout: {tried.stderr.strip().splitlines()[-1]}"
        )
    data_dir.mkdir()
    os.chown(data_dir, nobody, -1)
    port = free_port()
    command = dev(data_dir, port)
    with running(
        *command, env=env, log=tmp_path / "log", command=(python, "-m", "app"), user=nobody
    ) as program:
        program.wait_until_said(READY)
        children = program.descendants()
        assert {child.uids().effective for child in children} == {nobody}
        assert provider_names(f"http://127.0.0.1:{port}")
        assert program.end() == 0
        wait_until_gone(children)


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_dev_runs_for_root_where_nobody_else_can_go(
    bare: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    data_dir.parent.chmod(0o700)
    port = free_port()
    try:
        with running(*dev(data_dir, port, "--no-seed"), env=bare, log=tmp_path / "log") as program:
            program.wait_until_said(READY)
            assert f"can't enter {data_dir}: the servers' files are in {RELOCATED}/" in program.said
            assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
            assert program.end() == 0
    finally:
        shutil.rmtree((data_dir / "servers").resolve(), ignore_errors=True)


def test_the_tests_run_on_given_servers(
    bare: dict[str, str], empty_database: str, redis_url: str
) -> None:
    """A part of this suite once more, in a process with DATABASE_URL and REDIS_URL, as on a machine
    without wheels.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            "tests/integration/test_pool.py",
            "tests/integration/test_outages.py::test_a_commit_that_finds_no_server_is_reported_as_an_outage",
        ],
        cwd=ROOT,
        env=bare | {"DATABASE_URL": empty_database, "REDIS_URL": redis_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed, \d+ skipped", done.stdout), (
        "what stops servers is skipped, the rest is run"
    )
