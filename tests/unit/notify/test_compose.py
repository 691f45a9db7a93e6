"""MIME messages, read back by a parser that knows nothing of how they were written."""

from __future__ import annotations

from binascii import a2b_qp
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.addresses import mailbox
from app.notify import email, plain, render
from app.notify.email import Letter, SmtpSettings, TlsMode
from app.notify.message import MessageKind, MessageLogId, Recipient, RenderedEmail
from app.notify.quoted_printable import PlainText, piece
from tests.unit.notify.facts import full_facts, utc

ROW = MessageLogId(UUID("0199a2f0-7c3e-7a51-9d53-0242ac120003"))
FROM = "no-reply@salon.example"
LONG = "https://book.example.org/u?token=" + "eyJhbGciOi." * 60


def a_letter(**changes: Any) -> Letter:  # noqa: ANN401 - any of its fields
    values: dict[str, Any] = {
        "message_id": email.message_id(ROW, "salon.example"),
        "now": utc(2026, 3, 28, 7),
        "from_name": "Salon Müller",
        "to_name": "Grace Hopper",
        "to_address": "grace@example.org",
        "content": render.render_email(
            full_facts(locale="de"), MessageKind.BOOKED, Recipient.CUSTOMER
        ),
        "unsubscribe_url": "https://book.example.org/unsubscribe/abc",
    }
    return Letter(**{**values, **changes})


def _composed(letter: Letter, from_address: str = FROM) -> bytes:
    from_, to = mailbox(from_address), mailbox(letter.to_address)
    assert from_ is not None
    assert to is not None
    return email.compose(letter, from_, to)


def _received(letter: Letter) -> tuple[EmailMessage, bytes]:
    wire = _composed(letter)
    message = message_from_bytes(wire, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message, wire


def test_a_message_has_the_parts_that_mail_programs_look_for() -> None:
    """Text, HTML and calendar as alternatives in rising preference; the calendar once more as a
    file.
    """
    letter = a_letter()
    message, wire = _received(letter)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics",
    ]  # fmt: skip
    text, html, calendar = list(message.walk())[2:5]
    assert text.get_content().replace("\r\n", "\n") == letter.content.text
    assert html.get_content().replace("\r\n", "\n").strip() == letter.content.html.strip()
    assert calendar.get_param("method") == "REQUEST"
    assert calendar.get_content_charset() == "utf-8"
    assert calendar.get_content().encode() == letter.content.ics
    [file] = message.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("invite.ics", letter.content.ics)
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert b"\n" not in wire.replace(b"\r\n", b"")


@given(text=st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("\r\n .=é"))))
@example(text="no line break at the end")
@example(text="white space at the end \t\n.\n..\n" + "long " * 40 + "\n" + "é" * 200)
@example(text="--=_0\n\n--=_0--\r\rContent-Type: text/html")
def test_words_arrive_as_they_were_written(text: str) -> None:
    """Whatever an organization's own templates say; only line breaks become CRLF."""
    content = replace(a_letter().content, text_part=PlainText(text), html_part=PlainText(text))
    message, wire = _received(a_letter(content=content))
    plain_text, html = list(message.walk())[2:4]
    for part in (plain_text, html):
        received = part.get_payload(decode=True)
        assert isinstance(received, bytes)
        assert received.splitlines() == text.encode().splitlines()
    assert max(map(len, wire.split(b"\r\n"))) <= 998


@given(st.lists(st.text(st.sampled_from("aé =.\n") | st.characters(codec="utf-8"), max_size=90)))
@example(["short", "=", "x" * 72, "x" * 73, "é" * 50, "ends a line\n", "", " "])
@example(["x" * 74 + " ", "é" * 12 + "xx\t", "x"])
def test_a_text_can_be_encoded_piece_by_piece(pieces: list[str]) -> None:
    pieces = ["\n".join(each.split("\r")) for each in pieces]
    encoded = b"".join(map(piece, pieces))
    assert a2b_qp(encoded) == "".join(pieces).encode().replace(b"\n", b"\r\n")
    assert max(map(len, encoded.split(b"\r\n"))) <= 76  # RFC 2045, 6.7


def test_the_calendar_method_is_the_messages() -> None:
    content = render.render_email(full_facts(), MessageKind.CANCELLED, Recipient.CUSTOMER)
    message, _ = _received(a_letter(content=content))
    [calendar] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert calendar.get_param("method") == "CANCEL"


def test_headers_say_who_and_why() -> None:
    message, _ = _received(a_letter())
    assert str(message["From"]) == "Salon Müller <no-reply@salon.example>"
    assert str(message["To"]) == "Grace Hopper <grace@example.org>"
    assert str(message["Subject"]) == "Bestätigt: Haircut bei Ada Lovelace, So., 29. März, 09:00"
    assert message["Date"].datetime == utc(2026, 3, 28, 7)
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_message_id_is_the_rows() -> None:
    """A retry carries the same one, so that a duplicate can be recognized."""
    first, second = (
        _received(a_letter(now=utc(2026, 3, 28, hour)))[0]["Message-ID"] for hour in (7, 8)
    )
    assert first == second == "<0199a2f0-7c3e-7a51-9d53-0242ac120003@salon.example>"


@pytest.mark.parametrize(
    ("url", "header", "one_click"),
    [
        ("https://book.example.org/u/1", "<https://book.example.org/u/1>", True),
        (LONG, f"<{LONG}>", True),
        ("http://localhost:8000/u/1", "<http://localhost:8000/u/1>", False),
        ("mailto:stop@salon.example?subject=stop", "<mailto:stop@salon.example?subject=stop>", False),
        ("https://evil.example/>,<https://other.example", None, False),
        ("https://evil.example/\r\nBcc: x@example.org", None, False),
        ("javascript:alert(1)", None, False),
        (None, None, False),
    ],
)  # fmt: skip
def test_a_way_out_is_offered_letter_by_letter(
    url: str | None, header: str | None, *, one_click: bool
) -> None:
    """Mail programs show their own button only for a header they can read: no encoding, no folding
    inside the link.
    """
    message, wire = _received(a_letter(unsubscribe_url=url))
    assert message["List-Unsubscribe"] == header
    assert message["List-Unsubscribe-Post"] == ("List-Unsubscribe=One-Click" if one_click else None)
    if header is not None:
        assert f"List-Unsubscribe: {header}\r\n".encode() in wire


# ---------------------------------------------------------------- injection

TYPED = st.one_of(
    st.text(alphabet=st.characters(), max_size=150),
    st.text(alphabet=",;<>@\"'()\\:. =?\r\n_aé", max_size=150),
)


@given(name=TYPED, subject=TYPED)
@example(name="Grace\r\nBcc: evil@example.org", subject="Hi\r\n\r\n<html>")
@example(name="Grace, evil@example.org", subject="=?utf-8?q?=0D=0ABcc:_evil@example.org?=")
@example(name="x " * 40 + ", evil@example.org, " + "y " * 20, subject="=?utf-8?b?QmNjOg==?=")
@example(
    name="Müller Müller Müller Müller Müller Müller Müller Müller, evil@example.org",
    subject="é" * 300,
)
@example(name='"quoted" <evil@example.org>', subject=" ")
@example(name="=?utf-8?q?evil=40example=2Eorg=2C?=", subject="\ud800\x00")
@example(name="a@b", subject="")
def test_nothing_typed_becomes_a_header_or_an_address(name: str, subject: str) -> None:
    content = render.render_email(full_facts(), MessageKind.BOOKED, Recipient.CUSTOMER)
    letter = a_letter(from_name=name, to_name=name, content=_with_subject(content, subject))
    message, wire = _received(letter)
    assert set(message.keys()) == set(_received(a_letter())[0].keys())
    for header, address in (("To", "grace@example.org"), ("From", FROM)):
        assert [mailbox.addr_spec for mailbox in message[header].addresses] == [address]
        # The parser is careless about spaces where one encoded word ends and the next begins; the
        # words are not.
        assert _letters(message[header].addresses[0].display_name) == _letters(
            plain.one_line(name, limit=120)
        )
    assert str(message["Subject"]) == plain.one_line(subject)
    head = wire.split(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 200
    assert message.get_content_type() == "multipart/mixed"


def _letters(text: str) -> str:
    return "".join(text.split())


def _with_subject(content: RenderedEmail, subject: str) -> RenderedEmail:
    return replace(content, subject=subject)


@pytest.mark.parametrize(
    "address",
    [
        "", "grace", "@example.org", "grace@", "a b@example.org", ("grace@example.org\r\nBcc: "
                                                                  "evil@example.org"), "a@b@c",
        ("grace@example.org, "
        "evil@example.org"), "<grace@example.org>", "Grace <grace@example.org>", "grace@exa mple.org",
        "grace@" + "a" * 70 + ".org", "grace@..", "gr\x00ace@example.org", "\ud800@example.org", "grace(x)@example.org",
    ],
)  # fmt: skip
def test_an_address_is_right_or_refused(address: str) -> None:
    assert mailbox(address) is None


def test_international_domains_travel_in_ascii() -> None:
    message, wire = _received(a_letter(to_address="grace@müller.example"))
    assert message["To"].addresses[0].addr_spec == "grace@xn--mller-kva.example"
    assert wire.isascii()


def test_every_header_names_the_domain_that_was_meant() -> None:
    letter = a_letter(to_address="kim@faß.de")
    wire = _composed(letter, "no-reply@xn--fa-hia.de")
    message = message_from_bytes(wire, policy=policy.default)
    assert message["To"].addresses[0].addr_spec == "kim@xn--fa-hia.de"
    assert message["From"].addresses[0].addr_spec == "no-reply@xn--fa-hia.de"


# ---------------------------------------------------------------- settings


def test_credentials_are_not_sent_in_the_clear() -> None:
    with pytest.raises(ValueError, match="unprotected"):
        SmtpSettings(
            host="mail.example",
            port=25,
            tls=TlsMode.NONE,
            username="u",
            password="p",
            from_address=FROM,
        )


def test_settings_hide_their_secrets() -> None:
    settings = SmtpSettings(
        host="mail.example", port=587, username="u", password="s3cret", from_address=FROM
    )
    assert "s3cret" not in repr(settings)
    assert settings.domain == "salon.example"


def test_message_ids_name_our_domain_in_ascii() -> None:
    settings = SmtpSettings(host="mail.example", port=587, from_address="no-reply@faß.de")
    assert settings.domain == "xn--fa-hia.de"
