"""Letters over an open SMTP connection: the commands of one letter go out together where the server
allows it (PIPELINING, RFC 2920), so that a letter costs two round trips instead of four.

aiosmtplib connects, protects the connection and logs in. It waits for the answer to each command,
and searches each letter for line ends that are right already; so from then on the connection is
ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import aiosmtplib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPLETED: Final = 250
WILL_FORWARD: Final = 251
START_INPUT: Final = 354

_LONGEST_REPLY: Final = 32 * 1024
"""Octets, all lines together: what is longer is no reply."""

_MOST_REPLIES: Final = 8
"""That nobody has read yet: there are never more than three to the commands of a letter."""

_CODE_DIGITS: Final = 3


class Reply(NamedTuple):
    """What the server answered to one command."""

    code: int
    text: str


class Refused(NamedTuple):
    """The answer with which the server refused a letter, and the command that it answered."""

    command: str
    reply: Reply


_WANTED: Final = {
    "MAIL": frozenset({COMPLETED}),
    "RCPT": frozenset({COMPLETED, WILL_FORWARD}),
    "DATA": frozenset({START_INPUT}),
}
"""What the server answers to each command if it takes the letter."""


class Session(asyncio.Protocol):
    """The commands of letters. Each method raises SMTPServerDisconnected where the server hangs up
    before it has answered, or says something that is no answer.
    """

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        """Take over the connection of this client, which has greeted the server."""
        if client.transport is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._client = client
        self._transport = cast("asyncio.Transport", client.transport)
        self._pipelines = client.supports_extension("pipelining")
        self.writes_internationally = client.supports_extension("smtputf8")
        self._unread = b""
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._is_lost = False
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether the next letter may be sent over it. A server that says something without having
        been asked is about to hang up.
        """
        return not (self._is_lost or self._transport.is_closing() or self._replies)

    async def announce(
        self,
        from_address: str,
        to_address: str,
        *,
        international: bool,
        handing_over: Callable[[], None],
    ) -> Refused | None:
        """Say whom the letter is from and to; None where the server waits for it now.

        The last command asks for the letter itself. Where it is sent by itself, `handing_over` is
        called before: some servers count a letter as theirs from there on.
        """
        options = " SMTPUTF8" if international else ""
        commands = {
            "MAIL": f"MAIL FROM:<{from_address}>{options}\r\n".encode(),
            "RCPT": f"RCPT TO:<{to_address}>\r\n".encode(),
            "DATA": b"DATA\r\n",
        }
        if self._pipelines:
            return await self._announce_at_once(commands)
        for name, command in commands.items():
            if name == "DATA":
                handing_over()
            self._write(command)
            reply = await self._reply()
            if reply.code not in _WANTED[name]:
                return Refused(name, reply)
        return None

    async def _announce_at_once(self, commands: Mapping[str, bytes]) -> Refused | None:
        self._write(b"".join(commands.values()))
        refused: Refused | None = None
        for name in commands:
            try:
                reply = await self._reply()
            except aiosmtplib.SMTPServerDisconnected:
                if refused is None:
                    raise
                break  # it hung up after its refusal
            if refused is None and reply.code not in _WANTED[name]:
                refused = Refused(name, reply)
            elif refused is not None and reply.code == START_INPUT:
                self.close()  # it waits for a letter to nobody
        return refused

    async def hand_over(self, message: bytes) -> Reply:
        """The letter itself, whose lines end with CRLF."""
        self._write(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self._reply()

    async def ask(self, command: str) -> Reply:
        """A command without arguments."""
        self._write(f"{command}\r\n".encode())
        return await self._reply()

    def close(self) -> None:
        """Hang up."""
        self._client.close()
        self._transport.close()

    def _write(self, octets: bytes) -> None:
        if self._is_lost or self._transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._transport.write(octets)

    async def _reply(self) -> Reply:
        while not self._replies:
            if self._is_lost:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        return self._replies.popleft()

    # ---------------------------------------------------------------- what arrives

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._lines.append(line[4:].strip())
            if line[3:4] == b"-":
                continue
            if len(line) < _CODE_DIGITS or not line[:_CODE_DIGITS].isdigit():
                self._lose()
                return
            text = b"\n".join(self._lines).decode("utf-8", "surrogateescape")
            self._lines = []
            self._replies.append(Reply(int(line[:_CODE_DIGITS]), text))
        kept = len(self._unread) + sum(map(len, self._lines))
        if kept > _LONGEST_REPLY or len(self._replies) > _MOST_REPLIES:
            self._lose()
        self._wake()

    def eof_received(self) -> None:
        self._lose()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's
        self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
