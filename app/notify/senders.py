"""The senders of all channels, opened and closed together. Settings are read elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.notify.email import EmailSender, SmtpSender, SmtpSettings
from app.notify.log_sender import LogEmailSender, LogSmsSender
from app.notify.sms import SmsSender, TwilioSender, TwilioSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """One sender a channel; None where the deployment has none, and its messages are skipped for
    that reason.
    """

    email: EmailSender | None
    sms: SmsSender | None

    async def aclose(self) -> None:
        """Close both, even if closing one fails."""
        await asyncio.gather(
            *(sender.aclose() for sender in (self.email, self.sms) if sender is not None)
        )


def open_senders(
    *, smtp: SmtpSettings | None, twilio: TwilioSettings | None, log_the_rest: bool
) -> Senders:
    """The senders of a deployment. With `log_the_rest` (development), a channel without settings is
    logged instead.

    Nothing connects before the first message. Call it inside the event loop that will send.
    """
    rest_email, rest_sms = (LogEmailSender(), LogSmsSender()) if log_the_rest else (None, None)
    return Senders(
        email=SmtpSender(smtp) if smtp is not None else rest_email,
        sms=TwilioSender(twilio) if twilio is not None else rest_sms,
    )
