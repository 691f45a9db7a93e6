"""Delivery reports of a gateway, and whether they are really the gateway's."""

from __future__ import annotations

import base64
import hashlib
import hmac
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify.outcome import PermanentFailure, Sent
from app.notify.sms import StatusReport, TwilioSettings, is_genuine, read_form, read_status

# The worked example of Twilio's documentation, in two of its editions.
TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
EDITIONS = [
    ("+14158675310", "GvWf1cFY/Q7PnoempGyD5oXAezc="),
    ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
]


def _form(caller: str = "+14158675310") -> list[tuple[str, str]]:
    return [
        ("To", "+18005551212"),
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", caller),
        ("From", caller),
        ("Digits", "1234"),
    ]


def _genuine(**changes: Any) -> bool:  # noqa: ANN401 - any of its arguments
    values: dict[str, Any] = {
        "auth_token": TOKEN,
        "signature": EDITIONS[0][1],
        "url": URL,
        "form": _form(),
    }
    return is_genuine(**{**values, **changes})


@pytest.mark.parametrize(("caller", "signature"), EDITIONS)
def test_the_documented_examples_are_genuine(caller: str, signature: str) -> None:
    assert is_genuine(auth_token=TOKEN, signature=signature, url=URL, form=_form(caller))


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_token": "12346"},
        {"auth_token": ""},
        {"signature": ""},
        {"signature": "nonsense"},
        {"signature": "ünïcode"},
        {"signature": EDITIONS[0][1].lower()},
        {"url": URL.replace("https", "http")},
        {"url": URL + "&baz=3"},
        {"form": _form()[1:]},
        {"form": [*_form(), ("MessageStatus", "delivered")]},
        {"url": "https://mycompany.com:notaport/myapp.php?foo=1&bar=2"},
    ],
)
def test_anything_else_is_not(changes: dict[str, Any]) -> None:
    assert not _genuine(**changes)


def test_the_port_may_be_named_or_not() -> None:
    assert _genuine(url="https://mycompany.com:443/myapp.php?foo=1&bar=2")
    signed = "https://mycompany.com:443/x"
    signature = base64.b64encode(
        hmac.new(TOKEN.encode(), signed.encode(), hashlib.sha1).digest()
    ).decode()
    assert is_genuine(auth_token=TOKEN, signature=signature, url="https://mycompany.com/x", form=[])
    assert not is_genuine(
        auth_token=TOKEN, signature=signature, url="https://mycompany.com:8443/x", form=[]
    )


def test_a_forms_empty_fields_are_signed_too() -> None:
    assert read_form(b"MessageSid=SM1&ErrorCode=&From=%2B1") == [
        ("MessageSid", "SM1"),
        ("ErrorCode", ""),
        ("From", "+1"),
    ]
    assert read_form(b"") == []
    for body in (b"\xff\xfe", b"no form", b"a=1&" * 500):
        with pytest.raises(ValueError):  # noqa: PT011 - of whichever decoder
            read_form(body)


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=8), st.randoms())
def test_the_order_of_the_form_is_nobodys_business(
    form: list[tuple[str, str]], random: Random
) -> None:
    signed = URL + "".join(name + value for name, value in sorted(set(form)))
    signature = base64.b64encode(hmac.new(b"k", signed.encode(), hashlib.sha1).digest()).decode()
    random.shuffle(form)
    assert is_genuine(auth_token="k", signature=signature, url=URL, form=form)


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        ("queued", None, None),
        ("sending", None, None),
        ("accepted", None, None),
        ("sent", None, Sent(provider_message_id="SM1")),
        ("delivered", None, Sent(provider_message_id="SM1")),
        ("read", None, Sent(provider_message_id="SM1")),
        ("undelivered", "30003", PermanentFailure(detail="gateway: undelivered, error 30003")),
        ("failed", "", PermanentFailure(detail="gateway: failed")),
        ("canceled", None, PermanentFailure(detail="gateway: canceled")),
        ("a new word", None, None),
    ],
)
def test_status_words_become_outcomes(
    status: str, error: str | None, outcome: Sent | PermanentFailure | None
) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": status} | (
        {"ErrorCode": error} if error is not None else {}
    )
    assert read_status(form) == StatusReport(
        provider_message_id="SM1", status=status, outcome=outcome
    )


def test_other_callbacks_are_not_reports() -> None:
    assert read_status({}) is None
    assert read_status({"CallSid": "CA1", "CallStatus": "completed"}) is None


def test_settings_are_complete_and_hide_their_secrets() -> None:
    settings = TwilioSettings(account_sid="AC1", auth_token="s3cret", from_number="+15005550006")
    assert "s3cret" not in repr(settings)
    with pytest.raises(ValueError, match="sender"):
        TwilioSettings(account_sid="AC1", auth_token="x")
    with pytest.raises(ValueError, match="sender"):
        TwilioSettings(
            account_sid="AC1", auth_token="x", from_number="+1", messaging_service_sid="MG1"
        )
    with pytest.raises(ValueError, match="anybody could sign"):
        TwilioSettings(account_sid="AC1", auth_token="", from_number="+1")
