"""`dev`: servers, migrations, demo data, the API and the worker on one machine, and one key that
stops it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final

import app
from app.child_processes import die_with_parent, end
from app.core.viewer import Role
from app.development.access_tokens import signed_token
from app.development.seed import DEMO, seed
from app.errors import OperatorError
from app.identity.access import TokenRules
from app.process.clock import system_clock
from app.process.serve import listen
from app.process.wiring import open_resources
from app.settings import Settings, token_secret
from app.standins.embedded import Addresses, embedded
from app.standins.mail_catcher import Caught, catching
from app.store.clock import set_clock
from app.store.migrations import migrate
from app.usecases.practice.create_organization import create_organization

START_TIMEOUT_SECONDS: Final = 60.0
"""The API answers within a second or two; a machine that needs longer than this has another
problem.
"""

STOP_TIMEOUT_SECONDS: Final = 15.0
"""More than the grace that the API and the worker give to what they are at."""

POLL_SECONDS: Final = 0.05

TOKEN_TTL: Final = timedelta(days=30)
"""Of the printed tokens: pasted into a frontend's settings, they should not end in the middle of
the work.
"""


class DevError(OperatorError):
    """Something ended that should not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    host: str
    port: int
    data_dir: Path
    seeds: bool
    workers: int
    test_clock: datetime | None = None
    """What the server takes for now, from its start on; None: it keeps the real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]


def dev(options: DevOptions, env: Mapping[str, str]) -> None:
    """Runs until Ctrl-C or SIGTERM. Raises `EmbeddedError`, `ServeError`, `MigrationError` or
    `DevError`.
    """
    started = time.monotonic()
    _stop_on_signals()
    listen(options.host, options.port).close()  # a busy port is reported before anything is started
    given = {name: value for name, value in env.items() if value}
    with (
        contextlib.suppress(KeyboardInterrupt),
        embedded(
            options.data_dir,
            database_url=given.get("DATABASE_URL"),
            redis_url=given.get("REDIS_URL"),
            progress=_show,
        ) as servers,
        catching(_mailbox(options), system_clock) as caught,
    ):
        environment = _environment(options, given, servers.addresses, caught)
        settings = Settings.from_environment(environment)
        asyncio.run(migrate(settings.database_url, progress=_show))
        if options.test_clock is not None:
            asyncio.run(_put_clock(settings, options.test_clock))
        _show("loading the demo data …" if options.seeds else "making an empty organization …")
        asyncio.run(_fill(settings, seeds=options.seeds))
        with _children(options, environment) as children:
            _show("starting the API and the worker …")
            _wait_for_api(options, children)
            _print_banner(
                options, settings, token_secret(environment), seconds=time.monotonic() - started
            )
            _wait_for_end_of(children)


def dev_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets of this data folder, made at its first run and kept, so that printed tokens and
    links stay good.
    """
    path = data_dir / "secrets.json"
    if not path.exists():
        made = {
            "SLOTWRIGHT_TOKEN_SECRET": secrets.token_urlsafe(36),
            "SLOTWRIGHT_MANAGE_KEYS": f"dev:{secrets.token_urlsafe(36)}",
            "SLOTWRIGHT_HASH_SECRET": secrets.token_urlsafe(36),
        }
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file, indent=2)
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _mailbox(options: DevOptions) -> Path:
    return (options.data_dir / "mailbox").resolve()


def _environment(
    options: DevOptions, given: Mapping[str, str], addresses: Addresses, caught: Caught
) -> dict[str, str]:
    """What the children run with: settings of one's own win over what suits most developers.

    A mail server or a gateway of one's own takes the place of the catcher; nothing else leaves the
    machine.
    """
    kept = dev_secrets(options.data_dir)
    suits = {
        "SLOTWRIGHT_PUBLIC_URL": _base_url(options),
        "SLOTWRIGHT_MAILBOX": str(_mailbox(options)),
        "SLOTWRIGHT_BOOKING_PAGE": "on",
        "SLOTWRIGHT_DESK": "on",
        "SLOTWRIGHT_GRAPHIQL": "on",
        "SLOTWRIGHT_CORS_ORIGINS": "*",
        "SLOTWRIGHT_LOG_FORMAT": "text",
        "SLOTWRIGHT_DRAIN_SECONDS": "0",
        "SLOTWRIGHT_RATE_LIMITS": "off",
        "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS": "0",  # everybody is at this machine's own
        "SLOTWRIGHT_DEFAULT_ORGANIZATION": DEMO.organization,
        "SLOTWRIGHT_OUTGOING_NETWORKS": "127.0.0.0/8,::1/128",  # webhooks of one's own programs
    }
    if "SLOTWRIGHT_SMTP_URL" not in given:
        suits["SLOTWRIGHT_SMTP_URL"] = f"smtp+plain://127.0.0.1:{caught.mail_port}"
        suits["SLOTWRIGHT_MAIL_FROM"] = "no-reply@slotwright.example"
    if "SLOTWRIGHT_TWILIO_ACCOUNT_SID" not in given:
        suits |= {
            "SLOTWRIGHT_TWILIO_ACCOUNT_SID": "caught",
            "SLOTWRIGHT_TWILIO_AUTH_TOKEN": secrets.token_urlsafe(24),
            "SLOTWRIGHT_TWILIO_SENDER": "+15005550006",
            "SLOTWRIGHT_TWILIO_URL": f"http://127.0.0.1:{caught.gateway_port}",
        }
    suits["SLOTWRIGHT_TEST_CLOCK"] = "off" if options.test_clock is None else "on"
    where = {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
    return {**suits, **kept, **given, **where}


async def _put_clock(settings: Settings, now: datetime) -> None:
    async with open_resources(settings) as resources:
        await set_clock(resources.pool, now - system_clock())


async def _fill(settings: Settings, *, seeds: bool) -> None:
    """The organization of the printed tokens is there in any case; what is there already stays as
    it is.

    Its text messages go to any number: but for a gateway of one's own, they are caught on this
    machine.
    """
    async with open_resources(settings) as resources:
        await create_organization(
            resources,
            slug=DEMO.organization,
            name=DEMO.organization_name,
            sms_to_unverified_numbers=True,
        )
        if seeds:
            await seed(resources)


def _environment_of(child: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Both would serve their metrics on one port; the worker takes the next."""
    own = dict(environment)
    if child == "worker" and own.get("SLOTWRIGHT_METRICS_PORT"):
        own["SLOTWRIGHT_METRICS_PORT"] = str(int(own["SLOTWRIGHT_METRICS_PORT"]) + 1)
    return own


@contextlib.contextmanager
def _children(options: DevOptions, environment: Mapping[str, str]) -> Iterator[list[_Child]]:
    serve = [
        "serve",
        "--host",
        options.host,
        "--port",
        str(options.port),
        "--workers",
        str(options.workers),
    ]
    children: list[_Child] = []
    try:
        for name, arguments in (("API", serve), ("worker", ["work"])):
            process = subprocess.Popen(
                [sys.executable, "-m", "app", *arguments],
                cwd=Path(app.__file__).parents[1],
                env=_environment_of(name, environment),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for us, who stop them in order
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  # one prepared system call, no locks
            )
            children.append(_Child(name=name, process=process))
        yield children
    finally:
        _ignore_signals()
        _show("stopping …")
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        for child in children:
            end(child.process, signal.SIGTERM, within_seconds=STOP_TIMEOUT_SECONDS)


def _wait_for_api(options: DevOptions, children: list[_Child]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _answers(_reachable_host(options.host), options.port):
        _check(children)
        if time.monotonic() > deadline:
            raise DevError(f"The API did not answer within {START_TIMEOUT_SECONDS:.0f} seconds.")
        time.sleep(POLL_SECONDS)


def _wait_for_end_of(children: list[_Child]) -> None:
    """Returns never: a signal or an ended child raises."""
    while True:
        _check(children)
        time.sleep(POLL_SECONDS)


def _check(children: list[_Child]) -> None:
    for child in children:
        status = child.process.poll()
        if status is not None:
            raise DevError(
                f"The {child.name} exited with status {status}, so everything else was stopped."
            )


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _base_url(options: DevOptions) -> str:
    host = _reachable_host(options.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{options.port}"


def _reachable_host(host: str) -> str:
    """An address to connect to, for a server that listens on all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound


def _print_banner(options: DevOptions, settings: Settings, secret: str, *, seconds: float) -> None:
    base = _base_url(options)
    subjects = {
        "administrator": (Role.ADMIN, DEMO.admin_subject),
        "reception": (Role.RECEPTION, DEMO.reception_subject),
        "provider": (Role.PROVIDER, DEMO.provider_subject),
        "customer": (Role.CUSTOMER, DEMO.customer_subject),
    }
    rules = TokenRules(audience=settings.tokens.audience, issuer=settings.tokens.issuer)
    tokens = {
        name: signed_token(secret, role, subject, DEMO.organization, TOKEN_TTL, rules)
        for name, (role, subject) in subjects.items()
    }
    lines = [
        "",
        f"Slotwright is ready after {seconds:.1f} s.",
        "",
        f"  booking page        {base}/",
        f"  desk, signed in     {base}/desk#token={tokens['administrator']}",
        f"  GraphQL, GraphiQL   {base}/graphql",
        f"  what was sent       {base}/dev/mailbox",
        *(
            [f"  now                 {options.test_clock:%Y-%m-%dT%H:%M:%SZ}, running on"]
            if options.test_clock
            else []
        ),
        f"  health              {base}/readyz",
        f"  PostgreSQL          {settings.database_url}",
        f"  Redis               {settings.redis_url}",
        f"  organization        {DEMO.organization}",
        "",
        f"Tokens, good for {TOKEN_TTL.days} days (Authorization: Bearer …):",
        "",
        *(f"  {role:<14}{token}" for role, token in tokens.items()),
        "",
        f"Ctrl-C stops everything; the data stay in {options.data_dir}.",
        "",
    ]
    print("\n".join(lines), flush=True)


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _ignore_signals() -> None:
    """While everything is being stopped, which takes seconds at most, another Ctrl-C must not leave
    half of it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _show(line: str) -> None:
    print(f"slotwright: {line}", flush=True)
