"""Logs messages instead of sending them: for development only, since the log then holds
personal data.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Final

from app.notify.email import Begin
from app.notify.outcome import Outcome, Sent, SmsFate, Unknown
from app.notify.sms import TextMessage

_LOG: Final = logging.getLogger(__name__)


class LogEmailSender:
    """Logs each letter's text, so that its links can be followed from a terminal."""

    async def send(self, begin: Begin) -> Outcome | None:
        letter = await begin()
        if letter is None:
            return None
        _LOG.info(
            "e-mail %s to %s: %s\n%s",
            letter.message_id,
            letter.to_address,
            letter.content.subject,
            letter.content.text,
        )
        return Sent()

    async def aclose(self) -> None:
        """Nothing is open."""


class LogSmsSender:
    """Logs each text message. It stores none, so it can't report the fate of one."""

    async def send(self, text: TextMessage) -> Outcome:
        _LOG.info("SMS to %s: %s", text.to, text.body)
        return Sent()

    async def look_up(
        self,
        text: TextMessage,  # noqa: ARG002
        *,
        since: datetime,  # noqa: ARG002
        known: Collection[str] = (),  # noqa: ARG002
    ) -> SmsFate:
        return Unknown(detail="the log keeps no record of messages")

    async def aclose(self) -> None:
        """Nothing is open."""
