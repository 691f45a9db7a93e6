"""Deliver a message that was claimed: decide again, send it, and write what became of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.messages import Channel, MessageStatus
from app.core.reminders import RETRY_DELAYS, SkipReason, next_try, why_not
from app.notify.email import Letter, message_id
from app.notify.message import RenderedEmail, RenderedSms
from app.notify.outcome import NeverReceived, PermanentFailure, Sent, TemporaryFailure, Unknown
from app.notify.render import render_email, render_sms
from app.notify.sms import TextMessage
from app.store.messages import close_message, known_message_ids, postpone_message, put_on_wire
from app.usecases.messages.compose_messages import facts_of, language_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.core.messages import MessageKind, Recipient, TemplateOverride
    from app.notify.email import EmailSender
    from app.notify.message import MessageFacts
    from app.notify.outcome import EmailOutcome, SmsFate, SmsOutcome
    from app.notify.sms import SmsSender
    from app.store.messages import ClaimedMessage
    from app.usecases.messages.compose_messages import Subject
    from app.usecases.resources import Resources

MOST_ATTEMPTS: Final = len(RETRY_DELAYS) + 1
"""Deaths of workers count too: a message that kills whoever sends it must not do so for ever."""

_DETAIL_LENGTH: Final = 500  # the column's bound
_TOO_LATE: Final = frozenset({SkipReason.STARTED, SkipReason.HOUR_IS_DUE})

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed message, with what it is about and the organization's own words."""

    resources: Resources
    claimed: ClaimedMessage
    subject: Subject
    templates: Mapping[tuple[MessageKind, Recipient, str], TemplateOverride]

    async def run(self) -> MessageStatus:
        """What the message is after this attempt: PENDING where it will be tried again."""
        claimed, now = self.claimed, self.resources.clock()
        sms = self.resources.messaging.senders.sms
        if claimed.wire_text is not None and claimed.wire_since is not None and sms is not None:
            fate = await self._look_up(sms, claimed.wire_text, claimed.wire_since)
            if not isinstance(fate, NeverReceived):
                return await self._close_with(fate)
        reach = self.subject.reach(claimed.message.recipient)
        address = reach.address(claimed.message.channel)
        reason = why_not(claimed.message, self.subject.appointment, reach, now)
        if reason in _TOO_LATE and claimed.last_failure is not None:
            return await self._end(MessageStatus.FAILED, detail=claimed.last_failure)
        if reason is not None or address is None:
            return await self._end(MessageStatus.SKIPPED, detail=reason or SkipReason.NO_ADDRESS)
        if claimed.attempts > MOST_ATTEMPTS:
            detail = claimed.last_failure or "the worker died at every attempt"
            return await self._end(MessageStatus.FAILED, detail=detail)
        facts = facts_of(
            self.resources.messaging,
            self.subject,
            claimed.message.kind,
            claimed.message.recipient,
            message_id=claimed.id,
            now=now,
        )
        if claimed.message.channel is Channel.EMAIL:
            return await self._send_email(self.resources.messaging.senders.email, facts, address)
        return await self._send_sms(sms, facts, address)

    async def postpone(
        self, detail: str, *, retry_after_seconds: int | None = None, keeps_wire: bool
    ) -> MessageStatus:
        """Try again later, with growing delays; after the last of them, it has failed."""
        wait = next_try(self.claimed.attempts, retry_after_seconds)
        if wait is None:
            return await self._end(MessageStatus.FAILED, detail=detail)
        until = self.resources.real_clock() + wait
        detail = detail[:_DETAIL_LENGTH]
        await postpone_message(
            self.resources.pool, self.claimed, until, detail, keeps_wire=keeps_wire
        )
        return MessageStatus.PENDING

    # ---------------------------------------------------------------- the two channels

    async def _send_email(
        self, sender: EmailSender | None, facts: MessageFacts, address: str
    ) -> MessageStatus:
        if sender is None:
            return await self._end(MessageStatus.SKIPPED, detail=SkipReason.NO_SENDER)
        message = self.claimed.message
        content = render_email(facts, message.kind, message.recipient, self._override(facts))
        self._complain(content)
        to_customer = self.subject.reach(message.recipient) is self.subject.customer
        letter = Letter(
            message_id=message_id(self.claimed.id, self.resources.messaging.domain),
            now=facts.now,
            from_name=facts.organization_name,
            to_name=facts.contact_name if to_customer else facts.provider_name,
            to_address=address,
            content=content,
            unsubscribe_url=facts.unsubscribe_url,
        )
        return await self._close_with(await sender.send(letter))

    async def _send_sms(
        self, sender: SmsSender | None, facts: MessageFacts, address: str
    ) -> MessageStatus:
        if sender is None:
            return await self._end(MessageStatus.SKIPPED, detail=SkipReason.NO_SENDER)
        message = self.claimed.message
        content = render_sms(facts, message.kind, message.recipient, self._override(facts))
        self._complain(content)
        # The words too: the remaining time in them is another at the next attempt, and the gateway
        # is asked for these.
        ours = await put_on_wire(
            self.resources.pool, self.claimed, content.text, self.resources.real_clock()
        )
        if not ours:
            return MessageStatus.PENDING  # the lease ended, and somebody else has it
        return await self._close_with(await sender.send(self._text(content.text, address)))

    async def _look_up(self, sender: SmsSender, words: str, since: datetime) -> SmsFate:
        """What became of a text message that was on the wire when its worker died, or whose answer
        was lost.
        """
        reach = self.subject.reach(self.claimed.message.recipient)
        if reach.phone is None:
            return PermanentFailure(detail="its fate is unknown, and the number to ask for is gone")
        known = await known_message_ids(
            self.resources.pool, self.claimed.organization_id, self.claimed.appointment_id
        )
        fate = await sender.look_up(self._text(words, reach.phone), since=since, known=known)
        if isinstance(fate, Unknown):  # sending again might send twice
            return PermanentFailure(detail=f"its fate is unknown: {fate.detail}")
        return fate

    def _text(self, words: str, address: str) -> TextMessage:
        report = self.resources.messaging.report_url(self.claimed.organization_id, self.claimed.id)
        return TextMessage(to=address, body=words, status_callback=report)

    def _override(self, facts: MessageFacts) -> TemplateOverride | None:
        message = self.claimed.message
        return self.templates.get((message.kind, message.recipient, language_of(facts)))

    def _complain(self, content: RenderedEmail | RenderedSms) -> None:
        if content.problem is not None:
            _log.warning(
                "organization %s: its own template broke in %s (%s); the built-in words went out",
                self.claimed.organization_id,
                content.problem.part,
                content.problem.detail,
            )

    # ---------------------------------------------------------------- what became of it

    async def _close_with(self, outcome: EmailOutcome | SmsOutcome | SmsFate) -> MessageStatus:
        match outcome:
            case Sent():
                return await self._end(
                    MessageStatus.SENT, provider_message_id=outcome.provider_message_id
                )
            case PermanentFailure():
                return await self._end(MessageStatus.FAILED, detail=outcome.detail)
            case TemporaryFailure():
                return await self.postpone(
                    outcome.detail,
                    retry_after_seconds=outcome.retry_after_seconds,
                    keeps_wire=False,
                )
            case Unknown():
                return await self.postpone(outcome.detail, keeps_wire=True)
            case NeverReceived():
                return await self.postpone("the gateway never received it", keeps_wire=False)

    async def _end(
        self,
        status: MessageStatus,
        *,
        detail: str | None = None,
        provider_message_id: str | None = None,
    ) -> MessageStatus:
        await close_message(
            self.resources.pool,
            self.claimed,
            status,
            sent_at=self.resources.clock() if status is MessageStatus.SENT else None,
            detail=None if detail is None else detail[:_DETAIL_LENGTH],
            provider_message_id=None if provider_message_id is None else provider_message_id[:200],
        )
        return status
