"""Mail servers and a gateway to send to: real sockets, on ports of their own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.standins.embedded import free_port

USERNAME, PASSWORD = "mailer", "correct horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate for 127.0.0.1 that nobody but its own context trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("certificate")
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    return Certificate(server=server, client=client)


@dataclass(slots=True, kw_only=True)
class MailServer:
    """aiosmtpd, and what arrived at it. `refuse` may answer a recipient or a message instead of
    taking it; `reached` is awaited at each stage, before the answer is given.
    """

    port: int = 0
    letters: list[Envelope] = field(default_factory=list)
    connections: int = 0
    protocols: list[SMTP] = field(default_factory=list)
    refuse: Callable[[str, Envelope], str | None] = lambda _stage, _envelope: None
    reached: Callable[[str, str], Awaitable[None]] | None = None

    def hang_up(self) -> None:
        """Close every connection, as servers do with idle ones."""
        for protocol in self.protocols:
            if protocol.transport is not None:
                protocol.transport.close()

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if answer := self.refuse("RCPT", envelope):
            return answer
        if self.reached is not None:
            await self.reached("RCPT", address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if answer := self.refuse("DATA", envelope):
            return answer
        self.letters.append(envelope)
        if self.reached is not None:
            await self.reached("DATA", envelope.rcpt_tos[0])
        return f"250 2.0.0 Ok: queued as Q{len(self.letters)}"


def _authenticated(
    _server: SMTP,
    _session: Session,
    _envelope: Envelope,
    _mechanism: str,
    given: Any,  # noqa: ANN401 — what aiosmtpd gives
) -> AuthResult:
    right = isinstance(given, LoginPassword) and given == LoginPassword(
        USERNAME.encode(), PASSWORD.encode()
    )
    return AuthResult(success=right, handled=False)


@contextlib.asynccontextmanager
async def mail_server(
    *,
    implicit_tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    require_auth: bool = False,
    utf8: bool = True,
) -> AsyncIterator[MailServer]:
    """A mail server for as long as the block lasts."""
    loop = asyncio.get_running_loop()
    mail = MailServer()

    def connected() -> SMTP:
        mail.connections += 1
        protocol = SMTP(
            mail,
            hostname="127.0.0.1",
            enable_SMTPUTF8=utf8,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=require_auth,
            auth_require_tls=starttls is not None,
            authenticator=_authenticated if require_auth else None,
            loop=loop,
        )
        mail.protocols.append(protocol)
        return protocol

    server = await loop.create_server(connected, "127.0.0.1", 0, ssl=implicit_tls)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()


SILENCE = ""  # an answer that is never given


class HangUp(Exception):  # noqa: N818 - no error: a thing a server does
    """Raised by a script to close the connection without an answer."""


@dataclass(slots=True, kw_only=True)
class Scripted:
    """A mail server that misbehaves on purpose. `script(connection, command)` answers, hangs up, or
    leaves it to us. One that `pipelines` answers MAIL, RCPT and DATA only when it has all three.
    """

    script: Callable[[int, str], str | None]
    pipelines: bool = False
    port: int = 0
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            greeting = self.script(number, "CONNECT")
            await self._say(writer, "220 scripted" if greeting is None else greeting)
            while line := await reader.readline():
                said = [line]
                if self.pipelines and line.startswith(b"MAIL"):
                    said += [await reader.readline(), await reader.readline()]
                for each in said:
                    command = each.split()[0].decode().upper()
                    self.commands.append(command)
                    await self._answer(number, command, reader, writer)
                if self.commands[-1] == "QUIT":
                    break
        except (HangUp, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, number: int, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answer = self.script(number, command)
        if command == "EHLO" and answer is None and self.pipelines:
            answer = "250-scripted\r\n250 PIPELINING"
        if command == "DATA" and answer is None:
            await self._say(writer, "354 go on")
            self.letters.append(await reader.readuntil(b"\r\n.\r\n"))
            answer = self.script(number, "END")
        usual = "221 bye" if command == "QUIT" else "250 fine"
        await self._say(writer, usual if answer is None else answer)

    @staticmethod
    async def _say(writer: asyncio.StreamWriter, answer: str) -> None:
        if answer == SILENCE:
            return
        writer.write(f"{answer}\r\n".encode())
        await writer.drain()


@contextlib.asynccontextmanager
async def scripted(
    script: Callable[[int, str], str | None], *, pipelines: bool = False
) -> AsyncIterator[Scripted]:
    mail = Scripted(script=script, pipelines=pipelines)
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    return free_port()
