"""Deliver a claimed message: decide at the last moment, send it, and record the outcome.

The order of one attempt, which is the same on both channels: the channel is ready (a connection to
the mail server is open); the message is decided upon and rendered; the attempt is recorded, if the
appointment is still as it was decided upon; the message is handed over; the outcome is recorded.
A worker that dies in between leaves the record of the attempt, so the next worker knows that the
message may have arrived.

Messages that are at the same step at the same time take it together, in the same statements (see
`DeliveryBatches`): a batch costs nearly as much with one message as with ten. Outcomes wait some
milliseconds for one another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from app.batches import Batches
from app.core.events import PROGRAM
from app.core.message_rules import (
    Ended,
    SkipReason,
    Tries,
    decide_attempt,
    leave_unsent,
    next_try,
    unknown_fate,
)
from app.core.messages import Channel, MessageStatus, Recipient
from app.notify.email import Letter, message_id
from app.notify.message import RenderedEmail, RenderedSms
from app.notify.outcome import NeverReceived, PermanentFailure, Sent, TemporaryFailure, Unknown
from app.notify.render import render
from app.notify.sms import TextMessage
from app.store.messages import (
    AttemptBeginning,
    MessageEnd,
    begin_attempts,
    close_message,
    close_messages,
    end_messages,
    give_back,
    known_message_ids,
    postpone_message,
)
from app.store.pool import DatabaseUnavailableError, transaction
from app.usecases.events.record import events_of_messages, record_messages
from app.usecases.messages.compose_messages import facts_of, language_of, load_subjects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.core.ids import AppointmentId, MessageLogId, OrganizationId, SessionId
    from app.core.messages import MessageKind
    from app.notify.message import MessageFacts, Rendered
    from app.notify.outcome import Outcome, SmsFate
    from app.notify.overrides import OwnWords
    from app.notify.sms import SmsSender
    from app.store.messages import ClaimedMessage
    from app.store.sql import Executor
    from app.usecases.messages.compose_messages import Subject
    from app.usecases.resources import Resources

ATTEMPT_LEASE: Final = timedelta(minutes=2)
"""How long a message is left to the worker that began to send it: four times what the slowest
sender takes.
"""

BEGINNING_AT_ONCE: Final = 2
BEGIN_TOGETHER: Final = 16
"""Messages begin in batches of so many at most, two of which are on their way: one is decided upon
and rendered while PostgreSQL records the other. Together they are as many as have a connection to
the mail server by default.
"""

END_TOGETHER_SECONDS: Final = 0.025
"""How long an outcome waits for others. A worker that dies meanwhile leaves attempts whose outcome
is unknown, as one does that dies while the mail server answers.
"""

_DETAIL_LENGTH: Final = 500  # the column's bound

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that is recorded: the message is handed over now."""

    address: str
    facts: MessageFacts
    content: Rendered


@dataclass(frozen=True, slots=True)
class Lost:
    """Another worker has the message, or its appointment changes faster than it can be decided
    upon. The next claim decides.
    """


Beginning: TypeAlias = Begun | Ended | Lost


@dataclass(frozen=True, slots=True)
class _Ready:
    """Decided upon and rendered, and not recorded yet."""

    begun: Begun
    seen: AttemptBeginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed message, with the organization's own words."""

    resources: Resources
    batches: DeliveryBatches
    claimed: ClaimedMessage
    own: Mapping[tuple[MessageKind, Recipient, str], OwnWords]

    async def run(self) -> MessageStatus | None:
        """The message's status after this attempt: PENDING if it will be retried, None if it is
        left to the next claim.
        """
        if self.claimed.message.channel is Channel.EMAIL:
            return await self._run_email()
        return await self._run_sms()

    async def give_back(self) -> None:
        """Leave it to the next claim, before any attempt began."""
        resources = self.resources
        await give_back(resources.pool, self.claimed, real_now=resources.real_clock())

    async def postpone(
        self, detail: str, *, retry_after_seconds: int | None = None, may_have_arrived: bool
    ) -> MessageStatus:
        """Try again later, with growing delays; after the last of them, it has failed."""
        wait = next_try(self.claimed.attempts, retry_after_seconds)
        if wait is None:
            return await self._fail(detail, may_have_arrived=may_have_arrived)
        until = self.resources.real_clock() + wait
        await postpone_message(
            self.resources.pool,
            self.claimed,
            until,
            detail[:_DETAIL_LENGTH],
            may_have_arrived=may_have_arrived,
        )
        return MessageStatus.PENDING

    # ---------------------------------------------------------------- the two channels

    async def _run_email(self) -> MessageStatus | None:
        sender = self.resources.messaging.senders.email
        may_have_arrived = self.claimed.begun_at is not None
        beginning: Beginning = Lost()

        async def begin() -> Letter | None:
            nonlocal beginning
            beginning = await self._begin(may_have_arrived=may_have_arrived)
            return self._letter(beginning) if isinstance(beginning, Begun) else None

        if sender is None:
            tries = self._tries(may_have_arrived=may_have_arrived)
            return await self._end(leave_unsent(SkipReason.NO_SENDER, tries))
        outcome = await sender.send(begin)
        if outcome is not None:
            return await self._close_with(outcome, may_have_arrived=may_have_arrived)
        return await self._end(beginning) if isinstance(beginning, Ended) else None

    async def _run_sms(self) -> MessageStatus | None:
        sender = self.resources.messaging.senders.sms
        words, since = self.claimed.wire_text, self.claimed.begun_at
        if sender is None:
            tries = self._tries(may_have_arrived=since is not None)
            return await self._end(leave_unsent(SkipReason.NO_SENDER, tries))
        if words is not None and since is not None:
            fate = await self._look_up(sender, words, since)
            if isinstance(fate, Unknown):  # sending again might send twice
                return await self._fail(fate.detail, may_have_arrived=True)
            if not isinstance(fate, NeverReceived):
                return await self._close_with(fate, may_have_arrived=False)
        beginning = await self._begin(may_have_arrived=False)
        match beginning:
            case Begun():
                text = self._text(beginning.content.text, beginning.address)
                return await self._close_with(await sender.send(text), may_have_arrived=False)
            case Ended():
                return await self._end(beginning)
            case Lost():
                return None

    async def _begin(self, *, may_have_arrived: bool) -> Beginning:
        return await self.batches.begin(self, may_have_arrived=may_have_arrived)

    def decide(self, subject: Subject, *, may_have_arrived: bool) -> _Ready | Ended:
        """Decide upon the message as things are now, and render it."""
        claimed, resources = self.claimed, self.resources
        message, now, reach = claimed.message, resources.clock(), subject.reach(claimed.message)
        decision = decide_attempt(
            message,
            subject.about(message),
            reach,
            now,
            self._tries(may_have_arrived=may_have_arrived),
            subject.organization.reminder_minutes_before,
        )
        if isinstance(decision, Ended):
            return decision
        facts = facts_of(resources.messaging, subject, message, message_id=claimed.id, now=now)
        content = self._rendered(facts)
        seen = AttemptBeginning(
            claimed=claimed,
            appointment_version=subject.appointment.version if message.session_id is None else None,
            session=subject.session_of(message),
            # The words of a text message too: the remaining time in them is another at the next
            # attempt, and the gateway is asked for these.
            wire_text=content.text if isinstance(content, RenderedSms) else None,
            address=None if message.kind in reach.notices else decision.address,
        )
        return _Ready(Begun(address=decision.address, facts=facts, content=content), seen)

    def _tries(self, *, may_have_arrived: bool) -> Tries:
        return Tries(
            number=self.claimed.attempts,
            last_failure=self.claimed.last_failure,
            may_have_arrived=may_have_arrived,
        )

    def _rendered(self, facts: MessageFacts) -> Rendered:
        message = self.claimed.message
        own = self.own.get((message.kind, message.recipient, language_of(facts)))
        content = render(facts, message.kind, message.recipient, message.channel, own)
        if content.problem is not None:
            _log.warning(
                "organization %s: its own template broke in %s (%s); the built-in words went out",
                self.claimed.organization_id,
                content.problem.part,
                content.problem.detail,
            )
        return content

    def _letter(self, begun: Begun) -> Letter:
        facts, content = begun.facts, begun.content
        assert isinstance(content, RenderedEmail)  # noqa: S101  the channel's own
        to_customer = self.claimed.message.recipient is Recipient.CUSTOMER
        return Letter(
            message_id=message_id(self.claimed.id, self.batches.domain),
            now=facts.now,
            from_name=facts.organization_name,
            # The customer's name is unverified: anybody may have typed it.
            to_name="" if to_customer else facts.provider_name,
            to_address=begun.address,
            content=content,
            unsubscribe_url=facts.unsubscribe_url,
        )

    async def _look_up(self, sender: SmsSender, words: str, since: datetime) -> SmsFate:
        """The fate of a text message whose worker died, or whose answer was lost."""
        claimed = self.claimed
        message = claimed.message
        found = await load_subjects(
            self.resources.pool,
            claimed.organization_id,
            [claimed.appointment_id],
            about=_sessions_of([claimed]),
        )
        subject = found[claimed.appointment_id]
        phone = subject.reach(message).phone
        if phone is None:
            return Unknown(detail="the number to ask for is gone")
        known = await known_message_ids(
            self.resources.pool, claimed.organization_id, claimed.appointment_id
        )
        return await sender.look_up(self._text(words, phone), since=since, known=known)

    def _text(self, words: str, address: str) -> TextMessage:
        report = self.resources.messaging.report_url(self.claimed.organization_id, self.claimed.id)
        return TextMessage(to=address, body=words, status_callback=report)

    # ---------------------------------------------------------------- the outcome

    async def _close_with(
        self, outcome: Outcome | SmsFate, *, may_have_arrived: bool
    ) -> MessageStatus:
        """`may_have_arrived` says so of an earlier attempt."""
        match outcome:
            case Sent():
                return await self._close(
                    MessageStatus.SENT,
                    sent_at=self.resources.clock(),
                    provider_message_id=outcome.provider_message_id
                    and outcome.provider_message_id[:200],
                )
            case PermanentFailure():
                return await self._fail(outcome.detail, may_have_arrived=may_have_arrived)
            case TemporaryFailure():
                return await self.postpone(
                    outcome.detail,
                    retry_after_seconds=outcome.retry_after_seconds,
                    may_have_arrived=may_have_arrived,
                )
            case Unknown():
                return await self.postpone(outcome.detail, may_have_arrived=True)
            case NeverReceived():
                return await self.postpone("the gateway never received it", may_have_arrived=False)

    async def _fail(self, detail: str, *, may_have_arrived: bool) -> MessageStatus:
        said = unknown_fate(detail) if may_have_arrived else detail
        return await self._end(Ended(status=MessageStatus.FAILED, detail=said))

    async def _end(self, ended: Ended) -> MessageStatus:
        return await self._close(ended.status, detail=ended.detail[:_DETAIL_LENGTH])

    async def _close(
        self,
        status: MessageStatus,
        *,
        sent_at: datetime | None = None,
        detail: str | None = None,
        provider_message_id: str | None = None,
    ) -> MessageStatus:
        await self.batches.close(
            MessageEnd(
                claimed=self.claimed,
                status=status,
                sent_at=sent_at,
                detail=detail,
                provider_message_id=provider_message_id,
            )
        )
        return status


# ---------------------------------------------------------------- what messages do together


@dataclass(frozen=True, slots=True)
class _Start:
    """A message that is to begin. `may_have_arrived` says so of an earlier attempt."""

    delivery: Delivery
    may_have_arrived: bool


class DeliveryBatches:
    """Begins and ends the messages of one run: those of an organization that are at the same step
    at the same time share its statements. One that fails leaves the others alone.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.domain = resources.messaging.domain
        self._starts: Batches[_Start, Beginning | Exception] = Batches(
            self._begin, at_once=BEGINNING_AT_ONCE, most=BEGIN_TOGETHER
        )
        self._ends: Batches[MessageEnd, Exception | None] = Batches(
            self._end, gather_seconds=END_TOGETHER_SECONDS
        )

    async def begin(self, delivery: Delivery, *, may_have_arrived: bool) -> Beginning:
        """Decide upon the message as things are now, and record that an attempt begins."""
        answer = await self._starts.ask(_Start(delivery, may_have_arrived))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self, end: MessageEnd) -> None:
        """Record how the message ended, if it is still ours."""
        failure = await self._ends.ask(end)
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        """When what is being recorded has been."""
        await self._starts.close()
        await self._ends.close()

    async def _begin(self, starts: list[_Start]) -> list[Beginning | Exception]:
        by_organization: defaultdict[OrganizationId, list[_Start]] = defaultdict(list)
        for start in starts:
            by_organization[start.delivery.claimed.organization_id].append(start)
        found: dict[MessageLogId, Beginning | Exception] = {}
        for answers in await asyncio.gather(
            *(self._begin_of(each, together) for each, together in by_organization.items())
        ):
            found |= answers
        return [found[start.delivery.claimed.id] for start in starts]

    async def _begin_of(
        self, organization_id: OrganizationId, starts: Sequence[_Start]
    ) -> dict[MessageLogId, Beginning | Exception]:
        try:
            async with self._resources.pool.kept() as on:
                return await self._begin_together(on, organization_id, starts)
        except Exception as error:  # noqa: BLE001  raised where the message is sent
            if len(starts) == 1 or isinstance(error, DatabaseUnavailableError):
                return {start.delivery.claimed.id: error for start in starts}
        found: dict[MessageLogId, Beginning | Exception] = {}
        for start in starts:
            found |= await self._begin_of(organization_id, [start])
        return found

    async def _begin_together(
        self, on: Executor, organization_id: OrganizationId, starts: Sequence[_Start]
    ) -> dict[MessageLogId, Beginning | Exception]:
        """Recording the attempts compares the versions of the appointments and the sessions, and
        looks for opt-outs. Where a change was committed since, or the address has opted out, the
        decision is made once more. Opt-outs are rare, and read only then; so no message ends unsent
        before.
        """
        found: dict[MessageLogId, Beginning | Exception] = {}
        left = {start.delivery.claimed.id: start for start in starts}
        for with_opt_outs in (False, True):
            claimed = [start.delivery.claimed for start in left.values()]
            subjects = await load_subjects(
                on,
                organization_id,
                {each.appointment_id for each in claimed},
                about=_sessions_of(claimed),
                with_opt_outs=with_opt_outs,
            )
            ready: dict[MessageLogId, _Ready] = {}
            for row, start in left.items():
                decided = _decided(start, subjects)
                if isinstance(decided, _Ready):
                    ready[row] = decided
                elif with_opt_outs or not isinstance(decided, Ended):
                    found[row] = decided
            if ready:
                begun_at = self._resources.real_clock()
                begun = await begin_attempts(
                    on,
                    organization_id,
                    [each.seen for each in ready.values()],
                    begun_at=begun_at,
                    lease_until=begun_at + ATTEMPT_LEASE,
                )
                found |= {row: ready[row].begun for row in begun}
            left = {row: start for row, start in left.items() if row not in found}
            if not left:
                break
        return found | dict.fromkeys(left, Lost())

    async def _end(self, ends: list[MessageEnd]) -> list[Exception | None]:
        by_organization: defaultdict[OrganizationId, list[MessageEnd]] = defaultdict(list)
        for end in ends:
            by_organization[end.claimed.organization_id].append(end)
        failures: dict[MessageLogId, Exception] = {}
        for failed in await asyncio.gather(
            *(self._end_of(each, together) for each, together in by_organization.items())
        ):
            failures |= failed
        return [failures.get(end.claimed.id) for end in ends]

    async def _end_of(
        self, organization_id: OrganizationId, ends: Sequence[MessageEnd]
    ) -> dict[MessageLogId, Exception]:
        resources = self._resources
        try:
            closed = await self._end_together(organization_id, ends)
        except DatabaseUnavailableError as away:
            return {end.claimed.id: away for end in ends}
        except Exception:  # noqa: BLE001  one by one, it shows which
            _log.warning("could not record the ends of %d messages together", len(ends))
            closed = set()
        failures: dict[MessageLogId, Exception] = {}
        for end in ends:
            if end.claimed.id in closed:
                continue
            try:
                async with transaction(resources.pool) as tx:
                    if await close_message(tx, end):
                        record_messages(
                            resources, tx, organization_id, {end.claimed.id: end.status}
                        )
            except Exception as error:  # noqa: BLE001  raised where the message was sent
                failures[end.claimed.id] = error
        return failures

    async def _end_together(
        self, organization_id: OrganizationId, ends: Sequence[MessageEnd]
    ) -> set[MessageLogId]:
        """Those of these messages that have ended by this, with their events."""
        resources = self._resources
        statuses = {end.claimed.id: end.status for end in ends}
        if not resources.pool.is_distributed:
            return await close_messages(
                resources.pool,
                organization_id,
                ends,
                events_of_messages(resources, statuses),
                author=PROGRAM,
                occurred_at=resources.clock(),
            )
        async with transaction(resources.pool) as tx:
            closed = await end_messages(tx, organization_id, ends)
            ended = {row: status for row, status in statuses.items() if row in closed}
            record_messages(resources, tx, organization_id, ended)
        return closed


def _decided(
    start: _Start, subjects: Mapping[AppointmentId, Subject]
) -> _Ready | Ended | Exception:
    delivery = start.delivery
    try:
        subject = subjects[delivery.claimed.appointment_id]
        return delivery.decide(subject, may_have_arrived=start.may_have_arrived)
    except Exception as error:  # noqa: BLE001  raised where the message is sent
        return error


def _sessions_of(claimed: Sequence[ClaimedMessage]) -> list[tuple[AppointmentId, SessionId]]:
    """The sessions that these messages are about."""
    return [
        (each.appointment_id, each.message.session_id)
        for each in claimed
        if each.message.session_id is not None
    ]
