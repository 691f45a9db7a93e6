"""E-mail over real SMTP: messages arrive unchanged, once, and every failure is an outcome without
names in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from app.core.addresses import mailbox
from app.notify import email, render
from app.notify.email import Begin, Letter, SmtpSender, SmtpSettings, TlsMode
from app.notify.message import MessageKind, MessageLogId, Recipient
from app.notify.outcome import PermanentFailure, Sent, TemporaryFailure, Unknown
from tests.integration.notify.conftest import (
    PASSWORD,
    SILENCE,
    USERNAME,
    Certificate,
    HangUp,
    mail_server,
    scripted,
)
from tests.unit.notify.facts import full_facts, utc

ROW = MessageLogId(UUID("0199a2f0-7c3e-7a51-9d53-0242ac120003"))
ADDRESS = "grace@example.org"


def a_letter(**changes: Any) -> Letter:  # noqa: ANN401 - any of its fields
    values: dict[str, Any] = {
        "message_id": email.message_id(ROW, "salon.example"),
        "now": utc(2026, 3, 28, 7),
        "from_name": "Salon Müller",
        "to_name": "Grace Hopper",
        "to_address": ADDRESS,
        "content": render.render_email(
            full_facts(locale="de"), MessageKind.BOOKED, Recipient.CUSTOMER
        ),
        "unsubscribe_url": "https://book.example.org/unsubscribe/abc",
    }
    return Letter(**{**values, **changes})


def ready(letter: Letter | None) -> Begin:
    """It is decided already."""

    async def begin() -> Letter | None:
        return letter

    return begin


@contextlib.asynccontextmanager
async def a_sender(port: int, **changes: Any) -> AsyncIterator[SmtpSender]:  # noqa: ANN401 - any setting
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": TlsMode.NONE,
        "from_address": "no-reply@salon.example",
        "timeout_seconds": 5.0,
    }
    sender = SmtpSender(SmtpSettings(**{**values, **changes}))
    try:
        yield sender
    finally:
        await sender.aclose()


def _letters_alone(detail: str) -> bool:
    return not any(word in detail for word in ("grace", "Grace", "example", USERNAME, PASSWORD))


# ---------------------------------------------------------------- arriving


@pytest.mark.parametrize("tls", TlsMode)
async def test_a_letter_arrives_as_it_was_written(tls: TlsMode, certificate: Certificate) -> None:
    """By whichever protection, with the login where there is one."""
    login = {} if tls is TlsMode.NONE else {"username": USERNAME, "password": PASSWORD}
    async with (
        mail_server(
            implicit_tls=certificate.server if tls is TlsMode.TLS else None,
            starttls=certificate.server if tls is TlsMode.STARTTLS else None,
            require_auth=tls is TlsMode.STARTTLS,
        ) as mail,
        a_sender(
            mail.port,
            tls=tls,
            tls_context=certificate.client,
            **(login if tls is TlsMode.STARTTLS else {}),
        ) as sender,
    ):
        letter = a_letter()
        assert await sender.send(ready(letter)) == Sent(provider_message_id="Q1")
    [received] = mail.letters
    assert received.mail_from == "no-reply@salon.example"
    assert received.rcpt_tos == [ADDRESS]
    assert isinstance(received.content, bytes)
    from_, to = mailbox("no-reply@salon.example"), mailbox(ADDRESS)
    assert from_ is not None
    assert to is not None
    assert _body(received.content) == _body(email.compose(letter, from_, to))
    assert (
        message_from_bytes(received.content, policy=policy.default)["Message-ID"]
        == letter.message_id
    )


def _body(source: bytes) -> list[tuple[str, str]]:
    """Its parts, without the boundary which is different each time."""
    message = message_from_bytes(source, policy=policy.default)
    return [
        (part.get_content_type(), str(part.get_payload()))
        for part in message.walk()
        if not part.is_multipart()
    ]


async def test_lines_of_dots_survive() -> None:
    content = render.render_email(
        full_facts(notes="Dots:\n.\n..\n.5"), MessageKind.BOOKED, Recipient.PROVIDER
    )
    async with mail_server() as mail, a_sender(mail.port) as sender:
        await sender.send(ready(a_letter(content=content)))
    assert isinstance(mail.letters[0].content, bytes)
    received = message_from_bytes(mail.letters[0].content, policy=policy.default)
    assert isinstance(received, EmailMessage)
    text = received.get_body(("plain",))
    assert text is not None
    assert "\n.\n..\n.5\n" in text.get_content().replace("\r\n", "\n")


async def test_one_connection_carries_many_letters() -> None:
    async with mail_server() as mail, a_sender(mail.port) as sender:
        for _ in range(20):
            assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (20, 1)


async def test_letters_at_once_share_a_few_connections() -> None:
    async with mail_server() as mail, a_sender(mail.port, max_connections=3) as sender:
        outcomes = await asyncio.gather(
            *(sender.send(ready(a_letter(to_address=f"g{n}@example.org"))) for n in range(50))
        )
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert sorted(letter.rcpt_tos[0] for letter in mail.letters) == sorted(
        f"g{n}@example.org" for n in range(50)
    )
    assert mail.connections <= 3


async def test_an_international_mailbox_needs_a_server_that_can() -> None:
    letter = a_letter(to_address="gräce@müller.example")
    async with mail_server() as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(letter)), Sent)
    assert mail.letters[0].rcpt_tos == ["gräce@xn--mller-kva.example"]
    async with mail_server(utf8=False) as mail, a_sender(mail.port) as sender:
        outcome = await sender.send(ready(letter))
        assert outcome == PermanentFailure(
            detail="the mail server cannot write to international addresses"
        )
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert len(mail.letters) == 1


async def test_mail_goes_to_the_domain_that_was_meant() -> None:
    """`fass.de` is another name, with another owner."""
    async with mail_server() as mail, a_sender(mail.port, from_address="no@βόλος.gr") as sender:
        for domain in ("faß.de", "xn--fa-hia.de", "fass.de"):
            assert isinstance(await sender.send(ready(a_letter(to_address=f"kim@{domain}"))), Sent)
    assert [letter.rcpt_tos for letter in mail.letters] == [
        ["kim@xn--fa-hia.de"],
        ["kim@xn--fa-hia.de"],
        ["kim@fass.de"],
    ]
    assert {letter.mail_from for letter in mail.letters} == {"no@xn--nxasmm1c.gr"}


# ---------------------------------------------------------------- the last moment


async def test_a_letter_is_asked_for_when_its_connection_is_open() -> None:
    """Not while the letters before it are still on their way."""
    said: list[str] = []
    async with (
        scripted(lambda _connection, _command: None) as mail,
        a_sender(mail.port, max_connections=1) as sender,
    ):

        async def begin(number: int) -> Letter | None:
            said.append(f"{number} after {mail.commands.count('DATA')}")
            return a_letter() if number < 3 else None

        outcomes = await asyncio.gather(
            *(sender.send(partial(begin, number)) for number in range(4))
        )
    assert said == ["0 after 0", "1 after 1", "2 after 2", "3 after 3"]
    assert [type(outcome) for outcome in outcomes] == [Sent, Sent, Sent, type(None)]
    assert len(mail.letters) == 3


async def test_a_letter_is_asked_for_again_when_its_connection_is_reopened() -> None:
    asked: list[int] = []
    async with scripted(lambda _connection, _command: None) as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(a_letter())), Sent)

        def hang_up(_connection: int, command: str) -> str | None:
            if command == "MAIL":
                raise HangUp
            return None

        mail.script = hang_up

        async def begin() -> Letter | None:
            asked.append(mail.connections)
            return a_letter() if len(asked) == 1 else None

        assert await sender.send(begin) is None
    assert asked == [1, 2]
    assert len(mail.letters) == 1


# ---------------------------------------------------------------- two round trips


async def test_a_server_that_pipelines_gets_the_commands_of_a_letter_together() -> None:
    """This one answers none of them before it has them all."""
    async with (
        scripted(lambda _connection, _command: None, pipelines=True) as mail,
        a_sender(mail.port, max_connections=1) as sender,
    ):
        for _ in range(3):
            assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert mail.commands == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]
    assert (len(mail.letters), mail.connections) == (3, 1)


@pytest.mark.parametrize(
    ("answers", "outcome", "connections"),
    [
        (
            {"RCPT": "550 5.1.1 no such user", "DATA": "554 5.5.1 no valid recipients"},
            PermanentFailure(detail="smtp 550 5.1.1 at RCPT"),
            1,
        ),
        (
            {"RCPT": "450 4.2.1 busy", "DATA": "354 go on"},
            TemporaryFailure(detail="smtp 450 4.2.1 at RCPT"),
            2,
        ),
        (
            {"MAIL": "550 5.7.1 not you", "RCPT": "503 no", "DATA": "503 no"},
            TemporaryFailure(detail="smtp 550 5.7.1 at MAIL"),
            2,
        ),
        ({"DATA": "452 4.3.1 full"}, TemporaryFailure(detail="smtp 452 4.3.1 at DATA"), 1),
    ],
)
async def test_the_first_refusal_of_commands_that_went_out_together_counts(
    answers: dict[str, str], outcome: PermanentFailure | TemporaryFailure, connections: int
) -> None:
    """And the next letter goes over a connection whose answers are its own: another one, where the
    server waits for a letter to nobody.
    """
    async with (
        scripted(lambda _connection, command: answers.get(command), pipelines=True) as mail,
        a_sender(mail.port, max_connections=1) as sender,
    ):
        assert await sender.send(ready(a_letter())) == outcome
        answers.clear()
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (1, connections)


async def test_what_a_server_says_unasked_is_no_answer_to_the_next_letter() -> None:
    """It is about to hang up."""
    async with scripted(lambda _connection, _command: None) as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(a_letter())), Sent)
        said = "250 fine\r\n421 4.4.2 idle for too long"
        mail.script = lambda _connection, command: said if command == "END" else None
        assert isinstance(await sender.send(ready(a_letter())), Sent)
        mail.script = lambda _connection, _command: None
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (3, 2)


@pytest.mark.parametrize("said", ["what?", "250", "x" * 40_000])
async def test_what_is_no_answer_ends_the_connection(said: str) -> None:
    async with (
        scripted(lambda _connection, command: said if command == "RCPT" else None) as mail,
        a_sender(mail.port) as sender,
    ):
        outcome = await sender.send(ready(a_letter()))
    if said == "250":
        assert isinstance(outcome, Sent)
    else:
        assert isinstance(outcome, TemporaryFailure)
    assert len(mail.letters) == isinstance(outcome, Sent)


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("stage", "answer", "outcome"),
    [
        (
            "RCPT",
            f"550 5.1.1 <{ADDRESS}>: no such user here",
            PermanentFailure(detail="smtp 550 5.1.1 at RCPT"),
        ),
        ("RCPT", f"553 {ADDRESS} not local", PermanentFailure(detail="smtp 553 at RCPT")),
        ("RCPT", "450 4.2.1 mailbox busy", TemporaryFailure(detail="smtp 450 4.2.1 at RCPT")),
        ("RCPT", "452 too many", TemporaryFailure(detail="smtp 452 at RCPT")),
        (
            "RCPT",
            "530 5.7.0 Authentication required",
            TemporaryFailure(detail="smtp 530 5.7.0 at RCPT"),
        ),
        (
            "DATA",
            "554 5.7.1 Grace Hopper wants no spam",
            PermanentFailure(detail="smtp 554 5.7.1 at DATA"),
        ),
        ("DATA", "451 4.3.0 try again", TemporaryFailure(detail="smtp 451 4.3.0 at DATA")),
    ],
)
async def test_a_refusal_is_final_or_not_by_its_number(
    stage: str, answer: str, outcome: PermanentFailure | TemporaryFailure
) -> None:
    """And the connection is good for the next letter."""
    async with mail_server() as mail, a_sender(mail.port) as sender:
        mail.refuse = lambda at, _envelope: answer if at == stage else None
        refused = await sender.send(ready(a_letter()))
        assert refused == outcome
        assert _letters_alone(outcome.detail)
        mail.refuse = lambda _at, _envelope: None
        assert isinstance(await sender.send(ready(a_letter(to_address="ada@example.org"))), Sent)
    assert mail.connections == 1
    assert [letter.rcpt_tos for letter in mail.letters] == [["ada@example.org"]]


async def test_a_wrong_password_waits_for_the_operator(certificate: Certificate) -> None:
    """It is our mistake, not the mailbox's: the letter must outlive it."""
    settings = {
        "tls": TlsMode.STARTTLS,
        "tls_context": certificate.client,
        "username": USERNAME,
        "password": "wrong",
    }
    async with (
        mail_server(starttls=certificate.server, require_auth=True) as mail,
        a_sender(mail.port, **settings) as sender,
    ):
        outcome = await sender.send(ready(a_letter()))
    assert isinstance(outcome, TemporaryFailure)
    assert "535" in outcome.detail
    assert _letters_alone(outcome.detail)


async def test_a_stranger_with_a_certificate_gets_nothing(certificate: Certificate) -> None:
    for tls in (TlsMode.TLS, TlsMode.STARTTLS):
        async with (
            mail_server(
                implicit_tls=certificate.server if tls is TlsMode.TLS else None,
                starttls=certificate.server if tls is TlsMode.STARTTLS else None,
            ) as mail,
            a_sender(mail.port, tls=tls) as sender,  # trusts the public authorities only
        ):
            assert isinstance(await sender.send(ready(a_letter())), TemporaryFailure)
        assert mail.letters == []


async def test_protection_is_never_bargained_away(certificate: Certificate) -> None:
    async with (
        mail_server() as mail,
        a_sender(mail.port, tls=TlsMode.STARTTLS, tls_context=certificate.client) as sender,
    ):
        assert isinstance(await sender.send(ready(a_letter())), TemporaryFailure)
    assert mail.letters == []


async def test_a_malformed_address_fails_without_a_word() -> None:
    async with mail_server() as mail, a_sender(mail.port) as sender:
        outcome = await sender.send(
            ready(a_letter(to_address="grace@example.org>\r\nRCPT TO:<evil@example.org"))
        )
    assert outcome == PermanentFailure(detail="the address is malformed")
    assert mail.letters == []


# ---------------------------------------------------------------- broken


async def test_nobody_listening_is_temporary(closed_port: int) -> None:
    async with a_sender(closed_port) as sender:
        outcome = await sender.send(ready(a_letter()))
    assert isinstance(outcome, TemporaryFailure)
    assert _letters_alone(outcome.detail)


@pytest.mark.parametrize("pipelines", [False, True])
@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("answer", [None, "421 4.3.2 shutting down"])
async def test_a_server_that_goes_away_is_temporary_until_it_has_the_letter(
    stage: str, answer: str | None, *, pipelines: bool
) -> None:
    """From then on nobody can know whether it took it."""

    def script(_connection: int, command: str) -> str | None:
        if command != stage:
            return None
        if answer is None:
            raise HangUp
        return answer

    async with scripted(script, pipelines=pipelines) as mail, a_sender(mail.port) as sender:
        outcome = await sender.send(ready(a_letter()))
    is_unknown = stage in ({"END"} if pipelines else {"DATA", "END"}) and answer is None
    assert isinstance(outcome, Unknown if is_unknown else TemporaryFailure), outcome
    assert _letters_alone(outcome.detail)


@pytest.mark.parametrize("stage", ["CONNECT", "MAIL", "END"])
async def test_a_silent_server_is_given_up(stage: str) -> None:
    def script(_connection: int, command: str) -> str | None:
        return SILENCE if command == stage else None

    async with scripted(script) as mail, a_sender(mail.port, timeout_seconds=0.3) as sender:
        outcome = await asyncio.wait_for(sender.send(ready(a_letter())), 30)
    expected = Unknown if stage == "END" else TemporaryFailure
    assert outcome == expected(detail="smtp timed out")


@pytest.mark.parametrize("pipelines", [False, True])
@pytest.mark.parametrize("answer", [None, "421 4.7.0 too many messages on this connection"])
async def test_a_kept_connection_that_died_is_replaced(
    answer: str | None, *, pipelines: bool
) -> None:
    """Found out at MAIL, before anything was said: a fresh one carries the letter, which arrives
    once.
    """
    seen: list[int] = []

    def script(connection: int, command: str) -> str | None:
        if command == "MAIL":
            seen.append(connection)
            if seen.count(1) == 2 and connection == 1:
                if answer is None:
                    raise HangUp
                return answer
        return None

    async with scripted(script, pipelines=pipelines) as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(a_letter())), Sent)
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (2, 2)


async def test_a_kept_connection_that_dies_at_the_recipient_is_replaced() -> None:
    """Nothing of the letter has been said by then."""

    def script(connection: int, command: str) -> str | None:
        if connection == 1 and command == "RCPT" and mail.commands.count("RCPT") > 1:
            raise HangUp
        return None

    async with scripted(script) as mail, a_sender(mail.port) as sender:
        for _ in range(2):
            assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (2, 2)


@pytest.mark.parametrize("answer", [None, "421 4.7.0 too many messages on this connection"])
async def test_a_server_that_ends_each_connection_after_some_letters_gets_each_letter_once(
    answer: str | None,
) -> None:
    """Whether it says so or not, with several connections side by side."""
    begun: Counter[int] = Counter()

    def script(connection: int, command: str) -> str | None:
        if command == "MAIL":
            begun[connection] += 1
            if begun[connection] > 3:
                if answer is None:
                    raise HangUp
                return answer
        return None

    letters = [a_letter(message_id=f"<{number}@salon.example>") for number in range(20)]
    async with scripted(script) as mail, a_sender(mail.port, max_connections=3) as sender:
        outcomes = await asyncio.gather(*(sender.send(ready(letter)) for letter in letters))
    assert all(isinstance(outcome, Sent) for outcome in outcomes), outcomes
    arrived = [
        message_from_bytes(each, policy=policy.default)["Message-ID"] for each in mail.letters
    ]
    assert sorted(arrived) == sorted(letter.message_id for letter in letters)


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("CONNECT", "421 4.7.0 too many connections from your address"),
        ("EHLO", "421 4.3.2 too many concurrent connections"),
    ],
)
async def test_a_server_that_allows_fewer_connections_gets_all_letters_over_those(
    stage: str, answer: str
) -> None:
    """None of them fails for it, and the server is not asked for more again and again."""
    allowed: set[int] = set()

    def script(connection: int, command: str) -> str | None:
        if command == stage and connection not in allowed:
            if len(allowed) == 2:
                return answer
            allowed.add(connection)
        return None

    async with scripted(script) as mail, a_sender(mail.port, max_connections=8) as sender:
        outcomes = await asyncio.gather(*(sender.send(ready(a_letter())) for _ in range(30)))
    assert all(isinstance(outcome, Sent) for outcome in outcomes), outcomes
    assert len(mail.letters) == 30
    assert mail.connections <= 8


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    async with mail_server() as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(a_letter())), Sent)
        mail.hang_up()
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (2, 2)


async def test_a_lost_answer_is_repeated_with_the_same_message_id() -> None:
    """The server took the letter and died: nobody can know. The duplicate can be recognized by its
    Message-ID.
    """

    def script(connection: int, command: str) -> str | None:
        if connection == 1 and command == "END":
            raise HangUp
        return None

    async with scripted(script) as mail, a_sender(mail.port) as sender:
        assert isinstance(await sender.send(ready(a_letter())), Unknown)
        assert isinstance(await sender.send(ready(a_letter(now=utc(2026, 3, 28, 8)))), Sent)
    ids = {
        message_from_bytes(letter, policy=policy.default)["Message-ID"] for letter in mail.letters
    }
    assert (len(mail.letters), ids) == (2, {email.message_id(ROW, "salon.example")})


async def test_a_send_that_was_cancelled_leaves_no_half_spoken_connection() -> None:
    reached = asyncio.Event()

    def script(connection: int, command: str) -> str | None:
        if connection == 1 and command == "RCPT":
            reached.set()
            return SILENCE
        return None

    async with scripted(script) as mail, a_sender(mail.port, max_connections=1) as sender:
        sending = asyncio.create_task(sender.send(ready(a_letter())))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await sender.send(ready(a_letter())), Sent)
    assert (len(mail.letters), mail.connections) == (1, 2)


async def test_goodbye_is_said() -> None:
    async with scripted(lambda _connection, _command: None) as mail:
        async with a_sender(mail.port) as sender:
            await sender.send(ready(a_letter()))
        assert mail.commands[-1] == "QUIT"
