"""What a commit announces in Redis: which free times no longer count, and what subscribers in other
processes have to read. If both go to the same Redis, one exchange carries them.

What Redis did not take is tried again in the background, until it does or there is no more use.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from redis.exceptions import ResponseError

from app.batches import Batches
from app.redis_batches import OwnConnection
from app.redis_client import BROKEN_REDIS
from app.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from app.core.ids import OrganizationId
    from app.redis_client import Command, RedisClient

PAUSE_SECONDS: Final = 0.25
"""Before what is late is tried again. With the try it is less than a breaker stays open: until
Redis has been told, this process does not read there what the announcement is about.
"""

USEFUL_SECONDS: Final = 60.0
"""For so long, what is late is tried again. No free days live longer (`free_times.keys`), and
subscribers have read for themselves by then.
"""

LEAST_SECONDS: Final = 0.02
"""Of an exchange, where those who ask have waited for another one before."""

MOST_LATE: Final = 10_000
"""Commands that are late in one process, some 5 MB."""

_log: Final = logging.getLogger(__name__)


class Announcing(Protocol):
    """Whoever announces something."""

    def late(self, outage: Exception) -> None:
        """Redis did not take an announcement, or not in time. It is tried again."""

    def still_late(self, outage: Exception) -> None:
        """It was tried again, and Redis did not take it."""

    def lost(self) -> None:
        """A command of it is given up."""


class Announcement(NamedTuple):
    """Commands about one organization. Where Redis does not take all of them, `again` is sent in
    their place: each of these may be repeated, says as much by itself, and hardly ever differs.
    """

    by: Announcing
    organization_id: OrganizationId
    commands: Sequence[Command]
    again: Sequence[Command]


class _Request(NamedTuple):
    commands: list[Command]
    asked_at: float
    """By `time.monotonic`."""


class _Late(NamedTuple):
    by: Announcing
    organization_id: OrganizationId
    until: float
    """By `time.monotonic`."""


class Send(Protocol):
    """Sends announcements, in that order. Gives the failure of each of them, or None, and raises
    nothing that a broken Redis causes.
    """

    async def __call__(
        self, announcements: Sequence[Announcement], *, in_time: bool
    ) -> Sequence[Exception | None]:
        """With `in_time` somebody waits, and no answer within the client's timeout is a failure."""


class Announcer:
    """Tells Redis what is announced."""

    __slots__ = ("_close", "_is_retrying", "_late", "_send", "_tasks")

    def __init__(self, send: Send, close: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._close = close
        self._late: dict[Command, _Late] = {}
        self._is_retrying = False
        self._tasks = Tasks("announcements in Redis")

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Ends when Redis has answered, or has failed once. If the caller is cancelled, as at a
        shutdown, the announcement is sent once more before `close` ends: its failure would be
        missed.
        """
        try:
            outages = await self._send(announcements, in_time=True)
        except asyncio.CancelledError:
            for announcement in announcements:
                self._later(announcement)
            raise
        for announcement, outage in zip(announcements, outages, strict=True):
            if outage is not None:
                announcement.by.late(outage)
                self._later(announcement)

    @property
    def late(self) -> int:
        """How many commands wait for Redis."""
        return len(self._late)

    async def close(self) -> None:
        """Tries what is late for the last time. Nothing may be announced any more."""
        await self._tasks.close()
        if self._late:
            await self._try_late(in_time=True)
        self._give_up(list(self._late))
        await self._close()

    def _later(self, announcement: Announcement) -> None:
        by, organization_id, _, again = announcement
        late = _Late(by, organization_id, monotonic() + USEFUL_SECONDS)
        for command in again:
            self._late.pop(command, None)  # to the end: an invalidation before its message
            self._late[command] = late
        self._give_up(list(islice(self._late, max(0, len(self._late) - MOST_LATE))))
        if not self._is_retrying:
            self._is_retrying = True
            self._tasks.start(self._retry())

    async def _retry(self) -> None:
        try:
            while self._late:
                await asyncio.sleep(PAUSE_SECONDS)
                now = monotonic()
                self._give_up([each for each, late in self._late.items() if late.until <= now])
                await self._try_late(in_time=False)
        finally:
            self._is_retrying = False

    async def _try_late(self, *, in_time: bool) -> None:
        tried = dict(self._late)
        together: dict[tuple[int, OrganizationId], list[Command]] = {}
        for command, (by, organization_id, _) in tried.items():
            together.setdefault((id(by), organization_id), []).append(command)
        outages = await self._send(
            [
                Announcement(tried[commands[0]].by, organization_id, commands, commands)
                for (_, organization_id), commands in together.items()
            ],
            in_time=in_time,
        )
        for commands, outage in zip(together.values(), outages, strict=True):
            if outage is not None:
                tried[commands[0]].by.still_late(outage)
                continue
            for command in commands:
                # Unless it was announced again meanwhile, and failed again.
                if self._late.get(command) is tried[command]:
                    del self._late[command]

    def _give_up(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self._late.pop(command).by.lost()
        if commands:
            _log.warning("gave up %d announcements that Redis did not take", len(commands))


def announcer_on(redis: RedisClient) -> Announcer:
    """For one server: what is announced side by side is one exchange, over a connection of its
    own.
    """
    own = OwnConnection(redis)

    async def exchange(requests: list[_Request]) -> list[list[Any]]:
        commands = [command for request in requests for command in request.commands]
        # Whoever has waited for the exchange before this one does not wait as long again.
        waited = monotonic() - requests[0].asked_at
        async with asyncio.timeout(max(redis.timeout_seconds - waited, LEAST_SECONDS)):
            answers = iter(await own.ask(commands))
        return [list(islice(answers, len(request.commands))) for request in requests]

    batches: Batches[_Request, list[Any]] = Batches(exchange, own.close)

    async def send(
        announcements: Sequence[Announcement],
        *,
        in_time: bool,  # noqa: ARG001  an exchange always is
    ) -> Sequence[Exception | None]:
        commands = [command for each in announcements for command in each.commands]
        if not commands:
            return [None] * len(announcements)
        try:
            answers = await batches.ask(_Request(commands, monotonic()))
        except BROKEN_REDIS as outage:
            redis.breaker.trip(outage)
            return [outage] * len(announcements)
        if not any(isinstance(each, ResponseError) for each in answers):
            return [None] * len(announcements)
        left = iter(answers)
        return [_refusal_in(islice(left, len(each.commands))) for each in announcements]

    return Announcer(send, batches.close)


def _refusal_in(answers: Iterable[Any]) -> Exception | None:
    """The first one."""
    return next((each for each in answers if isinstance(each, ResponseError)), None)
