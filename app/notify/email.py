"""E-mail over SMTP: MIME messages that mail programs take for what they are, and replies turned
into outcomes.

A header holds what it was given and nothing else. Values are cleaned before they become headers,
and headers are written here rather than folded by the standard library, which re-reads what it
folds and can split a long name at its comma.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from enum import StrEnum
from functools import partial
from secrets import token_hex
from typing import Final, Protocol, TypeAlias

import aiosmtplib

from app.core.addresses import Mailbox, ascii_domain, mailbox
from app.notify import plain
from app.notify.message import MessageLogId, RenderedEmail
from app.notify.outcome import (
    Outcome,
    PermanentFailure,
    Sent,
    TemporaryFailure,
    Unknown,
)
from app.notify.smtp_session import COMPLETED, Refused, Session

# How long an idle connection may be trusted without asking; servers commonly close after 60 s to 5
# min.
_TRUSTED_IDLE_SECONDS: Final = 10.0
_QUIT_SECONDS: Final = 2.0
# "Service not available" (RFC 5321) and "concurrent connections limit exceeded" (Microsoft 365)
_TOO_MANY: Final = frozenset({421, 432})
_CLOSING: Final = 421
_FEWER_SECONDS: Final = 60.0
_PERMANENT: Final = range(500, 600)
# "Authentication required" (RFC 4954) and its kin speak of our settings, whatever command they
# answer.
_OUR_SETTINGS: Final = frozenset({530, 534, 535, 538})
_LONGEST_LINE: Final = 76  # of a header that has encoded words (RFC 2047), so of every one here
_ENHANCED: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
# Postfix, Exim, Haraka
_QUEUED: Final = re.compile(r"\bqueued(?: mail)? as ([A-Za-z0-9._-]{1,64})\b", re.IGNORECASE)
_LINK: Final = re.compile(r"(?:https?://|mailto:)[!-;=?-~]+")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
# RFC 5322: atoms, which need no quoting
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")


class TlsMode(StrEnum):
    """How a connection is protected: not at all, upgraded before anything is said, or from its
    first byte.
    """

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """One mail server. `timeout_seconds` bounds a whole letter, connecting included."""

    host: str
    port: int
    tls: TlsMode = TlsMode.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    from_address: str
    timeout_seconds: float = 30.0
    max_connections: int = 32
    tls_context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.username is not None and self.tls is TlsMode.NONE:
            raise ValueError(
                "SMTP credentials are not sent over an unprotected connection; choose starttls or "
                "tls."
            )
        if self.max_connections < 1 or self.timeout_seconds <= 0:
            raise ValueError("SMTP needs at least one connection and a timeout above zero.")
        _mailbox(self.from_address)
        if ascii_domain(self.host) is None:
            raise ValueError("The name of the mail server is not a valid host name.")

    @property
    def domain(self) -> str:
        """Where our mail comes from: the right side of Message-IDs and the name we greet with."""
        return _mailbox(self.from_address).domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One e-mail to one mailbox. `message_id` is `message_id(row, domain)`; a retry carries the
    same.
    """

    message_id: str
    now: datetime
    from_name: str
    to_name: str
    to_address: str
    content: RenderedEmail
    unsubscribe_url: str | None = None


Begin: TypeAlias = Callable[[], Awaitable[Letter | None]]
"""Asked for a letter once it can be sent at once; None: it is not to be sent after all."""


class EmailSender(Protocol):
    """Something that sends a letter, and returns the outcome; None where there was none to send."""

    async def send(self, begin: Begin) -> Outcome | None: ...

    async def aclose(self) -> None: ...


class MalformedAddressError(ValueError):
    """An address that no mail can be written to."""


def message_id(log_id: MessageLogId, domain: str) -> str:
    """The Message-ID of a row of the message log: the same for every attempt, so a duplicate can
    be recognized.
    """
    return f"<{log_id}@{domain}>"


# ---------------------------------------------------------------- the message


def _written_mailbox(name: str, to: Mailbox) -> str:
    """A mailbox for a header. The name is cleaned."""
    name = plain.one_line(name, limit=120)
    if not name:
        return f"<{to.address}>"
    phrase = (
        name
        if _PHRASE.fullmatch(name) and "=?" not in name
        else Header(name, "utf-8").encode(linesep="\r\n")
    )
    return f"{phrase}\r\n <{to.address}>"


def _words(text: str, *, first_line: int) -> str:
    is_plain = text.isascii() and "=?" not in text
    if is_plain and first_line + len(": ") + len(text) <= _LONGEST_LINE:
        return text
    charset = "us-ascii" if is_plain else "utf-8"
    return Header(text, charset, header_name="x" * first_line).encode(linesep="\r\n")


def _mailbox(address: str) -> Mailbox:
    """Where mail goes. Raises MalformedAddressError."""
    found = mailbox(address)
    if found is None:
        raise MalformedAddressError
    return found


def _date(instant: datetime) -> str:
    """An instant for a header (RFC 5322, 3.3), in UTC: the standard library takes ten times as
    long.
    """
    utc = instant.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04}"
    return f"{day} {utc.isoformat()[11:19]} +0000"


def compose(letter: Letter, from_: Mailbox, to: Mailbox) -> bytes:
    """The MIME message: text, HTML and calendar as alternatives, and the calendar once more as a
    file.

    Gmail and Outlook act on the alternative and want its method repeated in its type; Apple Mail
    and older programs open the file.
    """
    content = letter.content
    headers = [
        ("From", _written_mailbox(letter.from_name, from_)),
        ("To", _written_mailbox(letter.to_name, to)),
        ("Subject", _words(plain.one_line(content.subject), first_line=len("Subject"))),
        ("Date", _date(letter.now)),
        ("Message-ID", plain.one_line(letter.message_id).replace(" ", "")),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: no holiday notice answers this
        ("MIME-Version", "1.0"),
    ]
    if letter.unsubscribe_url is not None and (link := _link(letter.unsubscribe_url)) is not None:
        headers.append(("List-Unsubscribe", f"<{link}>"))
        if link.startswith("https://"):
            headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    return head + _body(content)


def _body(content: RenderedEmail) -> bytes:
    """The parts, and their headers.

    They are put together here: the standard library takes six milliseconds for a message where this
    takes a tenth of one. Its codecs write the parts. No part has a boundary in it, since "=_" is
    neither quoted-printable nor base64.
    """
    boundary = f"=_{token_hex(16)}"
    parts = [
        _part('text/plain; charset="utf-8"', "quoted-printable", content.text_part.encoded()),
        _part('text/html; charset="utf-8"', "quoted-printable", content.html_part.encoded()),
    ]
    if not content.ics:
        return _multipart("alternative", boundary, parts)
    calendar = base64.encodebytes(content.ics).replace(b"\n", b"\r\n")
    method = f'text/calendar; charset="utf-8"; method="{content.method}"'
    parts.append(_part(method, "base64", calendar))
    file = _part(
        'application/ics; name="invite.ics"',
        'base64\r\nContent-Disposition: attachment; filename="invite.ics"',
        calendar,
    )
    alternatives = _multipart("alternative", f"{boundary}_", parts)
    return _multipart("mixed", boundary, [alternatives, file])


def _multipart(subtype: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    start = f"--{boundary}\r\n".encode()
    return b"".join((
        f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode(),
        *(start + part + b"\r\n" for part in parts),
        f"--{boundary}--\r\n".encode(),
    ))  # fmt: skip


def _part(content_type: str, encoding: str, body: bytes) -> bytes:
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def _link(url: str) -> str | None:
    """A link that can stand between angle brackets; None for one that cannot."""
    return url if _LINK.fullmatch(url) else None


# ---------------------------------------------------------------- the wire


@dataclass(slots=True, kw_only=True)
class _Connection:
    session: Session
    used: bool = False
    idle_since: float = 0.0


@dataclass(slots=True)
class _Progress:
    """How far one letter has come: once it is handed over, a failure does not mean that it was not
    taken.
    """

    is_handing_over: bool = False

    def hand_over(self) -> None:
        self.is_handing_over = True

    def failed(self, detail: str) -> TemporaryFailure | Unknown:
        return Unknown(detail=detail) if self.is_handing_over else TemporaryFailure(detail=detail)


class _FewerConnections(Exception):  # noqa: N818  no failure: the letter waits
    """The server refuses one more connection, and serves others of ours."""


class SmtpSender:
    """Sends letters over a few kept connections. Any number of tasks may use one; it belongs to one
    event loop.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._from = _mailbox(settings.from_address)
        self._context = settings.tls_context or ssl.create_default_context()
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._idle: list[_Connection] = []
        self._in_use = 0
        self._closed = False

    async def send(self, begin: Begin) -> Outcome | None:
        """Open a connection, ask for the letter, and hand it to the server at once.

        `begin` is asked again where a kept connection turns out to be dead and another one has to
        be opened first. 5xx about the mailbox or the message is permanent. Everything else that
        fails before the message is on its way is temporary: 4xx, the network, and what concerns our
        own settings (greeting, TLS, authentication, sender), which an operator will mend while the
        letter waits. An answer that is lost after that leaves the outcome unknown.

        A server that refuses one more connection while others are open gets fewer for a minute, and
        the letter waits for one of these.
        """
        while True:
            await self._slots.acquire()
            release: Callable[[], object] = self._slots.release
            try:
                return await self._send(begin)
            except _FewerConnections:
                release = partial(
                    asyncio.get_running_loop().call_later, _FEWER_SECONDS, self._slots.release
                )
            finally:
                release()

    async def _send(self, begin: Begin) -> Outcome | None:
        progress = _Progress()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await self._deliver(begin, progress)
        except MalformedAddressError:
            return PermanentFailure(detail="the address is malformed")
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return progress.failed("smtp timed out")
        except aiosmtplib.SMTPResponseException as refused:
            return TemporaryFailure(detail=_detail(refused.code, refused.message, "connecting"))
        except (aiosmtplib.SMTPException, OSError) as broken:
            return progress.failed(f"smtp connection failed ({type(broken).__name__})")

    async def aclose(self) -> None:
        """Say goodbye on every idle connection."""
        self._closed = True
        while self._idle:
            session = self._idle.pop().session
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await session.ask("QUIT")
            session.close()

    async def _deliver(self, begin: Begin, progress: _Progress) -> Outcome | None:
        from_address = self._from.address
        while True:
            async with self._connection() as connection:
                session = connection.session
                letter = await begin()
                if letter is None:
                    return None
                to = _mailbox(letter.to_address)
                message, to_address = compose(letter, self._from, to), to.address
                international = not to_address.isascii() or not from_address.isascii()
                if international and not session.writes_internationally:
                    return PermanentFailure(
                        detail="the mail server cannot write to international addresses"
                    )
                reused = connection.used
                connection.used = True
                try:
                    refused = await session.announce(
                        from_address,
                        to_address,
                        international=international,
                        handing_over=progress.hand_over,
                    )
                except aiosmtplib.SMTPServerDisconnected:
                    session.close()
                    # A kept connection may have been closed since its last letter. Nothing of this
                    # one has been said, so a fresh connection may say it.
                    if reused and not progress.is_handing_over:
                        continue
                    raise
                if refused is None:
                    progress.hand_over()
                    reply = await session.hand_over(message)
                    if reply.code == COMPLETED:
                        queued = _QUEUED.search(reply.text)
                        return Sent(provider_message_id=queued[1] if queued else None)
                    refused = Refused("DATA", reply)
                elif refused.command == "MAIL":
                    session.close()
                    if reused:  # it may be full (421) since its last letter
                        continue
                return await self._refused(session, refused)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        """An open connection, the most recently used one first; kept afterwards unless something
        went wrong in it.
        """
        self._in_use += 1
        try:
            connection = await self._live() or await self._another()
            try:
                yield connection
            except BaseException:
                connection.session.close()
                raise
        finally:
            self._in_use -= 1
        if self._closed or not connection.session.is_open:
            connection.session.close()
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)

    async def _live(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            session = connection.session
            if not session.is_open:
                session.close()
                continue
            if asyncio.get_running_loop().time() - connection.idle_since < _TRUSTED_IDLE_SECONDS:
                return connection
            try:
                if (await session.ask("NOOP")).code == COMPLETED:
                    return connection
            except aiosmtplib.SMTPServerDisconnected:
                pass
            except BaseException:
                session.close()
                raise
            session.close()
        return None

    async def _another(self) -> _Connection:
        try:
            return await self._open()
        except aiosmtplib.SMTPResponseException as refused:
            if refused.code in _TOO_MANY and self._in_use > 1:
                raise _FewerConnections from refused
            raise

    async def _open(self) -> _Connection:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=ascii_domain(settings.host),
            port=settings.port,
            username=settings.username,
            password=settings.password,
            local_hostname=settings.domain,
            timeout=settings.timeout_seconds,
            use_tls=settings.tls is TlsMode.TLS,
            start_tls=settings.tls is TlsMode.STARTTLS,
            tls_context=self._context if settings.tls is not TlsMode.NONE else None,
        )
        await client.connect()
        try:
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            return _Connection(session=Session(client))
        except BaseException:
            client.close()
            raise

    @staticmethod
    async def _refused(session: Session, refused: Refused) -> TemporaryFailure | PermanentFailure:
        """The outcome of a refusal, the connection made ready for the next letter."""
        code, text = refused.reply
        if session.is_open and code != _CLOSING:
            with contextlib.suppress(aiosmtplib.SMTPServerDisconnected):
                await session.ask("RSET")
        else:
            session.close()
        detail = _detail(code, text, refused.command)
        if code in _PERMANENT and code not in _OUR_SETTINGS and refused.command != "MAIL":
            return PermanentFailure(detail=detail)
        return TemporaryFailure(detail=detail)


def _detail(code: int, said: str, stage: str) -> str:
    """The numbers of a reply and when it came. Never its text, which likes to quote the address."""
    enhanced = _ENHANCED.search(said)
    return f"smtp {code}{f' {enhanced[0]}' if enhanced else ''} at {stage}"
