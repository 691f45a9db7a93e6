"""Senders are opened by what is configured, and closed together."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest

from app.notify import email, render
from app.notify.email import Letter, SmtpSender, SmtpSettings, TlsMode
from app.notify.log_sender import LogEmailSender, LogSmsSender
from app.notify.message import MessageKind, MessageLogId, Recipient
from app.notify.outcome import Sent, Unknown
from app.notify.senders import Senders, open_senders
from app.notify.sms import TextMessage, TwilioSender, TwilioSettings
from tests.unit.notify.facts import full_facts, utc

SMTP = SmtpSettings(
    host="127.0.0.1", port=1, tls=TlsMode.NONE, from_address="no-reply@salon.example"
)
TWILIO = TwilioSettings(account_sid="AC1", auth_token="x", from_number="+15005550006")


async def test_each_channel_has_the_sender_its_settings_ask_for() -> None:
    configured = open_senders(smtp=SMTP, twilio=TWILIO, log_the_rest=True)
    assert isinstance(configured.email, SmtpSender)
    assert isinstance(configured.sms, TwilioSender)
    await configured.aclose()
    logged = open_senders(smtp=None, twilio=None, log_the_rest=True)
    assert isinstance(logged.email, LogEmailSender)
    assert isinstance(logged.sms, LogSmsSender)
    await logged.aclose()
    assert open_senders(smtp=None, twilio=None, log_the_rest=False) == Senders(email=None, sms=None)


async def test_a_logged_message_can_be_followed_from_the_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    senders = open_senders(smtp=None, twilio=None, log_the_rest=True)
    assert senders.email is not None
    assert senders.sms is not None
    letter = Letter(
        message_id=email.message_id(MessageLogId(UUID(int=1)), "salon.example"),
        now=utc(2026, 3, 28, 7),
        from_name="Salon",
        to_name="Grace",
        to_address="grace@example.org",
        content=render.render_email(full_facts(), MessageKind.BOOKED, Recipient.CUSTOMER),
    )
    text = TextMessage(to="+491701234567", body="See you")

    async def begin() -> Letter:
        return letter

    with caplog.at_level(logging.INFO):
        assert await senders.email.send(begin) == Sent()
        assert await senders.sms.send(text) == Sent()
    assert "https://book.example.org/manage/abc?x=1&y=2" in caplog.text
    assert "See you" in caplog.text
    assert isinstance(await senders.sms.look_up(text, since=utc(2026, 3, 28)), Unknown)
