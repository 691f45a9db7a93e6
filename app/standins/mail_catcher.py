"""Catches what a development server sends: a mail server and a stand-in for the text gateway, both
writing to one folder.

Nothing leaves the machine. The page /dev/mailbox shows the folder. For `dev` only: production has
real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session
from uuid_utils import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

MOST_KEPT: Final = 500
"""Messages in the folder; the oldest go first."""

MAIL, TEXT = ".eml", ".sms.json"
"""What the names of caught mails and text messages end with. They begin with an id that grows with
time.
"""

_BYTES_AT_MOST: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Where the catchers listen, on this machine alone."""

    mail_port: int
    gateway_port: int


@contextlib.contextmanager
def catching(folder: Path, clock: Callable[[], datetime]) -> Iterator[Caught]:
    """Catch what is sent, for as long as the block lasts. Both run in threads of their own. The
    folder is for its owner alone, also an old one: messages hold names, addresses and links.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _mail_server(folder) as mail_port, _gateway(folder, clock) as gateway_port:
        yield Caught(mail_port=mail_port, gateway_port=gateway_port)


def keep(folder: Path, ending: str, content: bytes) -> str:
    """Write a message where a reader finds it whole or not at all, and forget the
    oldest; its id.
    """
    name = uuid7().hex
    unfinished = folder / f"{name}.tmp"
    unfinished.write_bytes(content)
    unfinished.rename(folder / f"{name}{ending}")
    kept = sorted(path for path in folder.iterdir() if path.name.endswith((MAIL, TEXT)))
    for path in kept[:-MOST_KEPT]:
        path.unlink(missing_ok=True)
    return name


# ---------------------------------------------------------------- mail


class _Mailbox:
    """What aiosmtpd calls for each letter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  its name there
        content = envelope.content
        name = keep(
            self._folder, MAIL, content if isinstance(content, bytes) else str(content).encode()
        )
        return f"250 2.0.0 Ok: queued as {name}"


@contextlib.contextmanager
def _mail_server(folder: Path) -> Iterator[int]:
    loop = asyncio.new_event_loop()

    def connected() -> SMTP:
        return SMTP(_Mailbox(folder), hostname="localhost", enable_SMTPUTF8=True, loop=loop)

    server = loop.run_until_complete(loop.create_server(connected, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="mail", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# ---------------------------------------------------------------- text messages


@contextlib.contextmanager
def _gateway(folder: Path, clock: Callable[[], datetime]) -> Iterator[int]:
    """Speaks as much of Twilio's API as a sender needs: take a message, and list those
    to a number.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), _BYTES_AT_MOST)
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            message: dict[str, object] = {
                "to": form.get("To", ""),
                "from": form.get("From", ""),
                "body": form.get("Body", ""),
                "status": "sent",
                "error_code": None,
                "date_created": format_datetime(clock()),
            }
            name = keep(folder, TEXT, json.dumps(message).encode())
            self._answer(HTTPStatus.CREATED, {"sid": f"SM{name}"} | message)

        def do_GET(self) -> None:
            to = parse_qs(urlsplit(self.path).query).get("To", [""])[0]
            found = [
                {"sid": f"SM{path.name.removesuffix(TEXT)}"} | json.loads(path.read_bytes())
                for path in sorted(folder.glob(f"*{TEXT}"), reverse=True)
            ]
            listed = [message for message in found if message["to"] == to]
            self._answer(HTTPStatus.OK, {"messages": listed, "next_page_uri": None})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's word
            """The page shows what came."""

        def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="gateway", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
