"""What the tests of messages use: the application with a real mail server and a gateway, and runs
of the worker started by hand.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.settings import Settings
from app.usecases.messages.send_messages import send_messages
from tests.builders import Api, Json, made, running
from tests.integration.notify.conftest import MailServer, mail_server

ACCOUNT, AUTH_TOKEN, NUMBER = (
    "AC5ef8732a3c49700934481addd5ce1659",
    "the gateway's token",
    "+15005550006",
)
PUBLIC_URL = "https://api.salon.example"


@dataclass(kw_only=True)
class Gateway:
    """Speaks like Twilio. `answers` are given in turn, as long as there are some, instead of taking
    a message.

    An answer is a status with a body; `lost` takes the message and answers 500 all the same.
    """

    port: int = 0
    taken: list[Json] = field(default_factory=list)
    answers: list[tuple[int, Json]] = field(default_factory=list)
    lost: int = 0
    asked: int = 0
    lists: bool = True
    before_answering: Callable[[], Awaitable[None]] | None = None

    def texts(self) -> list[tuple[str, str]]:
        return [(message["to"], message["body"]) for message in self.taken]

    def application(self) -> Starlette:
        async def create(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            if self.answers:
                status, body = self.answers.pop(0)
                return JSONResponse(body, status_code=status)
            message: Json = {
                "sid": f"SM{len(self.taken) + 1:032x}",
                "to": form["To"],
                "body": form["Body"],
                "status": "queued",
                "error_code": None,
                "date_created": format_datetime(datetime.now(UTC)),
                "callback": form.get("StatusCallback"),
            }
            self.taken.append(message)
            if self.before_answering is not None:
                await self.before_answering()
            if self.lost:
                self.lost -= 1
                return Response(status_code=502)
            return JSONResponse(message, status_code=201)

        async def listing(request: Request) -> Response:
            self.asked += 1
            if not self.lists:
                return Response(status_code=503)
            found = [
                message
                for message in reversed(self.taken)
                if message["to"] == request.query_params["To"]
            ]
            return JSONResponse({"messages": found, "next_page_uri": None})

        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        return Starlette(
            routes=[Route(path, create, methods=["POST"]), Route(path, listing, methods=["GET"])]
        )


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway for as long as the block lasts."""
    opened = Gateway()
    server = uvicorn.Server(
        uvicorn.Config(opened.application(), port=0, log_config=None, lifespan="off")
    )
    config = server.config
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    opened.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        await server.shutdown()


@dataclass(kw_only=True)
class Post:
    """The application, its way out to people, and the worker's job."""

    api: Api
    mail: MailServer
    sms: Gateway

    async def work(self) -> dict[str, int]:
        """One run of the worker's job."""
        return await send_messages(self.api.resources)

    async def work_at(self, when: str) -> dict[str, int]:
        self.api.clock.set(when)
        return await self.work()

    def letters(self, to: str | None = None) -> list[EmailMessage]:
        """What arrived, in order."""
        return [
            read_letter(envelope.content)
            for envelope in self.mail.letters
            if to is None or envelope.rcpt_tos == [to]
        ]

    def subjects(self, to: str) -> list[str]:
        return [str(letter["Subject"]) for letter in self.letters(to)]

    async def log(self) -> list[Json]:
        """The rows of this organization's log, in order."""
        return await self.api.rows(
            """SELECT kind, recipient, channel, status, detail, attempts, time_version, is_resend, sent_at, due_at,
                    provider_message_id, id, lease_until, wire_text
                FROM reminder_log WHERE organization_id = $1 ORDER BY due_at, recipient, channel, id""",
            self.api.organization.id,
        )

    async def ends(self, *kinds: str) -> list[tuple[str, str, str, str, str | None]]:
        """(kind, recipient, channel, status, detail) of the rows of these kinds, or of all."""
        return [
            (row["kind"], row["recipient"], row["channel"], row["status"], row["detail"])
            for row in await self.log()
            if not kinds or row["kind"] in kinds
        ]

    async def end_leases(self) -> None:
        """As if the time of every lease, and of every delay, were over."""
        await self.api.rows(
            (
                "UPDATE reminder_log SET lease_until = '2000-01-01' WHERE status = 'PENDING' AND "
                "organization_id = $1"
            ),
            self.api.organization.id,
        )


def read_letter(content: Any) -> EmailMessage:  # noqa: ANN401 - as aiosmtpd keeps it
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    content: str = body.get_content()
    return content


def settings_of(environment: dict[str, str], mail_port: int, sms_port: int) -> Settings:
    return Settings.from_environment(mail_environment(environment, mail_port, sms_port))


def mail_environment(environment: dict[str, str], mail_port: int, sms_port: int) -> dict[str, str]:
    return environment | {
        "SLOTWRIGHT_SMTP_URL": f"smtp+plain://127.0.0.1:{mail_port}",
        "SLOTWRIGHT_SMTP_CONNECTIONS": "8",
        "SLOTWRIGHT_MAIL_FROM": "no-reply@salon.example",
        "SLOTWRIGHT_TWILIO_ACCOUNT_SID": ACCOUNT,
        "SLOTWRIGHT_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "SLOTWRIGHT_TWILIO_SENDER": NUMBER,
        "SLOTWRIGHT_TWILIO_URL": f"http://127.0.0.1:{sms_port}",
        "SLOTWRIGHT_PUBLIC_URL": PUBLIC_URL,
        "SLOTWRIGHT_MANAGE_URL": "https://salon.example/manage#appointment={appointment}&token={token}",
    }


@asynccontextmanager
async def a_post(environment: dict[str, str]) -> AsyncIterator[Post]:
    """The application on a database of its own, with a mail server and a gateway that may text any
    number.
    """
    async with (
        mail_server() as mail,
        gateway() as sms,
        running(settings_of(environment, mail.port, sms.port)) as own,
    ):
        api = await own.api()
        await text_any_number(api)
        yield Post(api=api, mail=mail, sms=sms)


UPDATE_ORGANIZATION = """mutation ($input: UpdateOrganizationInput!) { answer: updateOrganization(input: $input) {
    __typename ... on Organization { slug smsToUnverifiedNumbers } ... on UserError { message }
    ... on InvalidInputError { field }
} }"""


async def text_any_number(api: Api, *, allowed: bool = True) -> None:
    """Whether the organization's text messages go to numbers that nobody vouched for."""
    values = {"smsToUnverifiedNumbers": allowed}
    made(
        (await api.ask(UPDATE_ORGANIZATION, caller=api.admin, input=values))["answer"],
        "Organization",
    )


RESEND = """mutation ($input: ResendReminderInput!) { answer: resendReminder(input: $input) {
    __typename ... on Reminder { kind channel recipient status isResend dueAt }
    ... on UserError { message } ... on InvalidInputError { field }
} }"""


def a_resend(confirmation: Json, *, kind: str = "BOOKED", channel: str = "EMAIL") -> Json:
    """The input of a message to the customer that is to go out again."""
    appointment_id = confirmation["appointment"]["id"]
    return {
        "appointmentId": appointment_id,
        "kind": kind,
        "recipient": "CUSTOMER",
        "channel": channel,
    }
