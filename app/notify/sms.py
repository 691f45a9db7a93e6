"""Text messages over Twilio's REST API, or any gateway with the same API; and the gateway's reports
of delivery.

A message whose answer was lost is never sent again blindly. `send` says
Unknown, and `look_up` asks the gateway.
(https://www.twilio.com/docs/messaging/api/message-resource, version 2010-04-01)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx

from app.notify import gsm
from app.notify.outcome import (
    NeverReceived,
    Outcome,
    PermanentFailure,
    Sent,
    SmsFate,
    TemporaryFailure,
    Unknown,
)

TWILIO: Final = "https://api.twilio.com"

# Status words of the Message resource. Only these say that a message will not arrive …
_LOST: Final = frozenset({"failed", "undelivered", "canceled"})
# … these that it left the gateway, or arrived, and the others (queued, accepted, scheduled,
# sending) nothing yet.
_GONE_OUT: Final = frozenset({"sent", "delivered", "read", "receiving", "received"})

# Error codes that speak of our account or sender rather than of the recipient: an operator can mend
# them meanwhile. 20003 authentication · 20005 account inactive · 20429 too many requests · 21212,
# 21603, 21606, 21659 sender unusable · 21611 sender's queue full · 21608 trial account · 30001
# queue overflow · 30002 account suspended
_OURS: Final = frozenset(
    {20003, 20005, 20429, 21212, 21603, 21606, 21608, 21611, 21659, 30001, 30002}
)

# The answers about this message. The other 4xx are about us: authentication, a wrong address, too
# many requests.
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})

_MAX_FIELDS: Final = 200  # a callback has about thirty
_PAGE: Final = 50
_MAX_PAGES: Final = 5
# The gateway's clock and ours may differ, and it stores whole seconds.
_CLOCK_TOLERANCE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """One account at a gateway. Exactly one of `from_number` (E.164 or a sender's name) and
    `messaging_service_sid`.

    `api_key_sid` and `api_key_secret` replace the token in requests where given; callbacks are
    always signed with it.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    api_key_sid: str | None = None
    api_key_secret: str | None = field(default=None, repr=False)
    from_number: str | None = None
    messaging_service_sid: str | None = None
    base_url: str = TWILIO
    timeout_seconds: float = 15.0

    def __post_init__(self) -> None:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError(
                "A gateway needs a sender: either from_number or messaging_service_sid."
            )
        if not self.auth_token:
            raise ValueError(
                "A gateway needs an auth token: without one, anybody could sign status callbacks."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMessage:
    """One text message. The gateway posts its progress to `status_callback`, where given."""

    to: str
    body: str
    status_callback: str | None = None


class SmsSender(Protocol):
    """Something that sends a text message, returns the outcome, and can look it up later."""

    async def send(self, text: TextMessage) -> Outcome: ...

    async def look_up(
        self, text: TextMessage, *, since: datetime, known: Collection[str] = ()
    ) -> SmsFate: ...

    async def aclose(self) -> None: ...


class TwilioSender:
    """Sends over one kept HTTP client; it belongs to one event loop."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._messages = f"/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        self._client = httpx.AsyncClient(
            base_url=settings.base_url,
            auth=(
                settings.api_key_sid or settings.account_sid,
                settings.api_key_secret or settings.auth_token,
            ),
            timeout=settings.timeout_seconds,
            follow_redirects=False,
            headers={"Accept": "application/json"},
        )

    async def send(self, text: TextMessage) -> Outcome:
        """Hand one message to the gateway. Sent means accepted; the status callbacks report whether
        it arrives.
        """
        form = {"To": text.to, "Body": text.body}
        if self._settings.messaging_service_sid is not None:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        elif self._settings.from_number is not None:
            form["From"] = self._settings.from_number
        if text.status_callback is not None:
            form["StatusCallback"] = text.status_callback
        try:
            response = await self._client.post(self._messages, data=form)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as broken:
            return TemporaryFailure(
                detail=f"no connection to the gateway ({type(broken).__name__})"
            )
        except httpx.HTTPError as broken:  # the request may have arrived
            return Unknown(detail=f"the gateway's answer was lost ({type(broken).__name__})")
        return _outcome(response)

    async def look_up(
        self, text: TextMessage, *, since: datetime, known: Collection[str] = ()
    ) -> SmsFate:
        """The fate of a message whose answer was lost: found by its number and words among those
        made since.

        `known` are the gateway's names of messages already accounted for: the same words may have
        been sent before, on purpose. NeverReceived only where the whole time could be read;
        anything less is Unknown.
        """
        earliest = since - _CLOCK_TOLERANCE
        page = self._messages
        query: dict[str, str | int] | None = {"To": text.to, "PageSize": _PAGE}
        for _ in range(_MAX_PAGES):
            try:
                response = await self._client.get(page, params=query)
            except httpx.HTTPError as broken:
                return Unknown(detail=f"the gateway could not be asked ({type(broken).__name__})")
            if response.status_code != HTTPStatus.OK:
                return Unknown(
                    detail=f"the gateway could not be asked (http {response.status_code})"
                )
            try:
                listed = _Page.read(response)
            except (ValueError, TypeError, KeyError):
                return Unknown(detail="the gateway's list could not be read")
            recent = [resource for resource in listed.messages if resource.created >= earliest]
            for resource in recent:
                if (
                    resource.sid not in known
                    and resource.to == text.to
                    and _same_words(resource.body, text.body)
                ):
                    return _fate(resource.sid, resource.status, resource.error_code)
            # newest first, but not strictly: a whole page must be older
            if listed.next_page is None or not recent:
                return NeverReceived()
            page, query = listed.next_page, None
        return Unknown(
            detail=f"the gateway lists too many messages to this number (over {_MAX_PAGES * _PAGE})"
        )

    async def aclose(self) -> None:
        await self._client.aclose()


# ---------------------------------------------------------------- what the gateway answers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    sid: str
    to: str
    body: str
    status: str
    error_code: int | None
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    messages: list[_Resource]
    next_page: str | None

    @classmethod
    def read(cls, response: httpx.Response) -> _Page:
        """Raises ValueError, TypeError or KeyError if the answer is not a list of messages."""
        answer: dict[str, Any] = response.json()
        messages = [
            _Resource(
                sid=str(item["sid"]),
                to=str(item["to"]),
                body=str(item["body"]),
                status=str(item["status"]),
                error_code=_code(item.get("error_code")),
                created=_aware(parsedate_to_datetime(item["date_created"])),
            )
            for item in answer["messages"]
        ]
        next_page = answer.get("next_page_uri") or None
        # The rest of the list is asked of the same gateway: a page elsewhere would be handed our
        # credentials.
        if next_page is not None and (
            not str(next_page).startswith("/") or str(next_page).startswith("//")
        ):
            raise ValueError("The URI of the next page is not a path.")
        return cls(messages=messages, next_page=next_page)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("The date has no offset.")
    return instant


def _outcome(response: httpx.Response) -> Outcome:
    status = response.status_code
    answer = _object(response)
    if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        sid = answer.get("sid")
        if not isinstance(sid, str):
            return Unknown(detail="the gateway's answer could not be read")
        return _fate(sid, str(answer.get("status", "")), _code(answer.get("error_code")))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # it failed, at what we don't know
        return Unknown(detail=f"http {status}")
    code = _code(answer.get("code"))
    detail = f"http {status}" + (f", error {code}" if code is not None else "")
    if status not in _REFUSED or code in _OURS:
        return TemporaryFailure(detail=detail, retry_after_seconds=_retry_after(response))
    return PermanentFailure(detail=detail)


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(value: object) -> int | None:
    """An error code, which comes as a number in answers and as text in callbacks."""
    return (
        int(value)
        if isinstance(value, int)
        or (isinstance(value, str) and value.isascii() and value.isdigit())
        else None
    )


def _retry_after(response: httpx.Response) -> int | None:
    return _code(response.headers.get("Retry-After"))


def _fate(sid: str, status: str, error_code: int | None) -> Sent | PermanentFailure:
    if status in _LOST:
        return PermanentFailure(
            detail=f"gateway: {status}"
            + (f", error {error_code}" if error_code is not None else "")
        )
    return Sent(provider_message_id=sid)


def _same_words(listed: str, sent: str) -> bool:
    """Whether the gateway's copy is our message. It may have swapped typography; a trial account
    says so in front.
    """
    return gsm.fold(listed).strip().endswith(gsm.fold(sent).strip())


# ---------------------------------------------------------------- the gateway's reports


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One status callback. `outcome` is None while nothing is decided; reports may come late and in
    any order.
    """

    provider_message_id: str
    status: str
    outcome: Sent | PermanentFailure | None


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a callback's body, empty ones too: they are signed as well. ValueError where it
    is no form.
    """
    return parse_qsl(
        body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MAX_FIELDS
    )


def is_genuine(
    *, auth_token: str, signature: str, url: str, form: Iterable[tuple[str, str]]
) -> bool:
    """Whether a status callback comes from the gateway: `X-Twilio-Signature` over the public URL
    and the form.

    HMAC-SHA1 of the URL as the gateway called it, query included, followed by each name and value
    in order of names. Where the port is the scheme's own, some versions of the gateway sign the URL
    with it and some without: both are tried.
    (https://www.twilio.com/docs/usage/security#validating-requests)
    """
    if not auth_token or not signature:
        return False
    signed = "".join(f"{name}{value}" for name, value in sorted(set(form)))
    given = signature.encode("utf-8", "replace")
    genuine = False
    for candidate in _with_and_without_port(url):
        digest = hmac.new(
            auth_token.encode(), f"{candidate}{signed}".encode(), hashlib.sha1
        ).digest()
        genuine |= hmac.compare_digest(base64.b64encode(digest), given)
    return genuine


def _with_and_without_port(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        return (url,)
    if default is None or parts.hostname is None or port not in {None, default}:
        return (url,)
    bare = parts.netloc.removesuffix(f":{default}")
    return tuple(
        urlunsplit(parts._replace(netloc=netloc)) for netloc in (bare, f"{bare}:{default}")
    )


def read_status(form: Mapping[str, str]) -> StatusReport | None:
    """A genuine callback's form, or None where it is not one of a message."""
    sid = form.get("MessageSid") or form.get("SmsSid")
    status = (form.get("MessageStatus") or form.get("SmsStatus") or "").lower()
    if not sid or not status:
        return None
    decided = status in _LOST or status in _GONE_OUT
    outcome = _fate(sid, status, _code(form.get("ErrorCode"))) if decided else None
    return StatusReport(provider_message_id=sid, status=status, outcome=outcome)
