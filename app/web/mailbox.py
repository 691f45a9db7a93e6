"""/dev/mailbox: what a development server has sent, newest first, as its recipients would see it.
Never in production.

A letter's HTML is shown in a frame without scripts, cookies or network, whatever it holds.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

MOST_SHOWN: Final = 100

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_MAIL, _TEXT = ".eml", ".sms.json"

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_LETTER_HEADERS: Final = {
    "content-security-policy": "sandbox allow-popups; default-src 'none'; style-src "
    "'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STYLE: Final = """
:root{color-scheme:light;font:16px/1.5 system-ui,sans-serif;background:#f2f3f5}
body{max-width:46rem;margin:2rem auto;padding:0 1rem}
article{background:#fff;border-radius:.75rem;
padding:1rem 1.25rem;margin:1rem 0;box-shadow:0 1px 3px #0002}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:0}
p.meta{margin:.1rem 0 .6rem;color:#555;font-size:.9rem;overflow-wrap:anywhere}
iframe{width:100%;height:34rem;border:1px solid #ddd;border-radius:.5rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
.sms{display:inline-block;background:#dcf3e0;
border-radius:1rem;padding:.6rem 1rem;overflow-wrap:anywhere}
"""


def mailbox_routes(folder: Path) -> list[BaseRoute]:
    """The page, and the HTML of each letter."""

    def page(_request: Request) -> Response:
        names = sorted(
            (path.name for path in folder.glob("*") if path.name.endswith((_MAIL, _TEXT))),
            reverse=True,
        )
        shown = "".join(_shown(folder, name) for name in names[:MOST_SHOWN])
        body = shown or "<p>Nothing was sent yet. Book something, or move the clock on.</p>"
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{_STYLE}</style><body><h1>Mailbox ({len(names)})</h1>{body}</body></html>",
            headers=_HEADERS,
        )

    def letter(request: Request) -> Response:
        name = request.path_params["name"]
        path = folder / f"{name}{_MAIL}"
        if not _NAME.fullmatch(name) or not path.is_file():
            return PlainTextResponse("There is no such letter.\n", status_code=404)
        return HTMLResponse(_part(_read(path), "html"), headers=_LETTER_HEADERS)

    return [
        Route("/dev/mailbox", page, name="mailbox"),
        Route("/dev/mailbox/{name}", letter, name="letter"),
    ]


def _shown(folder: Path, name: str) -> str:
    try:
        return _shown_text(folder / name) if name.endswith(_TEXT) else _shown_letter(folder / name)
    except FileNotFoundError:  # deleted since it was listed
        return ""


def _shown_letter(path: Path) -> str:
    message = _read(path)
    name = path.name.removesuffix(_MAIL)
    calendar = message.get_body(("calendar",)) or next(
        (part for part in message.walk() if part.get_content_type() == "text/calendar"), None
    )
    invitation = calendar.get_content() if isinstance(calendar, EmailMessage) else ""
    headers = "\n".join(f"{key}: {value}" for key, value in message.items())
    return (
        f"<article><h2>{escape(str(message['Subject']))}</h2>"
        f'<p class="meta">{escape(str(message["From"]))} → {escape(str(message["To"]))} · '
        f"{escape(str(message['Date']))}</p>"
        '<iframe sandbox="allow-popups" loading="lazy" title="The letter" '
        f'src="/dev/mailbox/{name}"></iframe>'
        f"<details><summary>Text</summary><pre>{escape(_part(message, 'plain'))}</pre></details>"
        f"<details><summary>Calendar</summary><pre>{escape(invitation)}</pre></details>"
        f"<details><summary>Headers</summary><pre>{escape(headers)}</pre></details></article>"
    )


def _shown_text(path: Path) -> str:
    message = json.loads(path.read_bytes())
    return (
        f"<article><h2>Text message</h2>"
        f'<p class="meta">{escape(message["from"])} → {escape(message["to"])} · '
        f"{escape(message['date_created'])}</p>"
        f'<p class="sms">{escape(message["body"])}</p></article>'
    )


def _read(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101  the policy makes such ones
    return message


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return "" if part is None else str(part.get_content())
