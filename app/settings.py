"""The only reader of the environment: frozen values, checked once at the start and passed down.

A variable's name is the prefix of its class and the name of the field, in capitals; the few that
differ say so. Pydantic takes the values from the environment, converts them and finds what is
missing; the checks below say what a variable may be. The settings themselves are plain dataclasses.

To add a setting, add a field here and a row to the table of docs/running.md; a test compares them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    AliasGenerator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from app.errors import OperatorError

SECRET_MIN_BYTES: Final = 32
"""A key shorter than the hash's output weakens HMAC-SHA-256 (RFC 7518, section 3.2)."""

TWILIO: Final = "https://api.twilio.com"

_TLS: Final = {"smtp": ("starttls", 587), "smtps": ("tls", 465), "smtp+plain": ("none", 25)}
"""How a scheme protects the connection, and its usual port (RFC 6409, RFC 8314)."""

T = TypeVar("T")


class SettingsError(OperatorError):
    """A variable is missing or can't be used. The message names it."""


# ------------------------------------------------------------------ what a variable may be
#
# A check gets the text of a variable and raises ValueError; its message continues the sentence that
# begins with the variable's name.


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, in ASCII digits."""

    least: int
    most: int

    def __call__(self, text: str) -> int:
        # Python itself refuses to read thousands of digits
        if (
            not re.fullmatch(r"\d{1,18}", text, re.ASCII)
            or not self.least <= int(text) <= self.most
        ):
            raise ValueError(f"must be a whole number from {self.least} to {self.most}.")
        return int(text)

    def __get_pydantic_core_schema__(
        self, source: type[object], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self, handler(source))


def _one_of(meanings: Mapping[str, T]) -> BeforeValidator:
    def check(text: str) -> T:
        if text.lower() not in meanings:
            raise ValueError(f"must be {' or '.join(f'“{word}”' for word in meanings)}.")
        return meanings[text.lower()]

    return BeforeValidator(check)


def _matching(pattern: str, demand: str) -> BeforeValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(demand)
        return text

    return BeforeValidator(check)


def _split(text: str, *schemes: str) -> SplitResult:
    """The parts of an address with one of these schemes."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{name}://' for name in schemes)}.")
    return parts


def _port(parts: SplitResult) -> int | None:
    """The port; None where the address names none, 0 for one that can't be."""
    try:
        return parts.port
    except ValueError:
        return 0


def _secret(text: str) -> str:
    if len(text.encode()) < SECRET_MIN_BYTES:
        raise ValueError(f"is shorter than {SECRET_MIN_BYTES} bytes.")
    return text


def _database_url(text: str) -> str:
    _split(text, "postgresql", "postgres")
    return text


def _redis_url(text: str) -> str:
    """The driver would treat a database that is not a number as the first one, and fail on the port
    much later.
    """
    parts = _split(text, "redis", "rediss", "unix")
    numbered = _port(parts) != 0 and re.fullmatch(r"/?\d{0,4}", parts.path, re.ASCII)
    if parts.scheme != "unix" and not numbered:
        raise ValueError("must have the form “redis://:password@host:port/number”.")
    return text


def _jwks_url(text: str) -> str:
    """Keys that an attacker could change would allow any identity: they are read over TLS, or from
    this machine.
    """
    good = False
    with suppress(ValueError):
        parts = _split(text, "https", "http")
        host = parts.hostname or ""
        safe = parts.scheme == "https" or host == "localhost" or ip_address(host).is_loopback
        good = safe and bool(host) and parts.username is None
    if not good:
        raise ValueError("must be an https:// address without a user name.")
    return text


def _web_address(text: str) -> str:
    parts = _split(text, "https", "http")
    if not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an address like “https://api.salon.example”.")
    return text.rstrip("/")


def _manage_keys(text: str) -> tuple[ManageKey, ...]:
    keys: dict[str, ManageKey] = {}
    for part in text.split(","):
        key_id, _, secret = part.strip().partition(":")
        if (
            not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id)
            or len(secret.encode()) < SECRET_MIN_BYTES
        ):
            raise ValueError(
                "must have the form “id:secret,id:secret”, each id of up to 32 letters, digits, "
                f"“-” and “_”, each secret of at least {SECRET_MIN_BYTES} bytes."
            )
        if key_id in keys:
            raise ValueError(f"names the key “{key_id}” twice.")
        keys[key_id] = ManageKey(id=key_id, secret=secret)
    return tuple(keys.values())


def _items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _header_names(text: str) -> tuple[str, ...]:
    names = _items(text)
    if not all(re.fullmatch(r"[A-Za-z0-9-]{1,100}", name) for name in names):
        raise ValueError("must be a list of headers like “x-tenant,x-trace-id”.")
    return names


def _origins(text: str) -> tuple[str, ...]:
    origins = _items(text)
    for origin in () if origins == ("*",) else origins:
        parts = urlsplit(origin)
        bare = parts.netloc and origin == f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in {"http", "https"} or not bare:
            raise ValueError(
                "must be “*” or a list like “https://shop.example,http://localhost:3000”."
            )
    return origins


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Strict: in “10.1.2.3/8”, nobody knows which of the two was meant."""
    try:
        return tuple(ip_network(item) for item in _items(text))
    except ValueError:
        raise ValueError("must be a list of networks like “10.1.0.0/16,fd00:1::/64”.") from None


def _smtp_url(text: str) -> str:
    parts = _split(text, *_TLS)
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if not parts.hostname or _port(parts) == 0 or rest:
        raise ValueError("must have the form “smtp://user:password@host:port”.")
    if parts.username and parts.scheme == "smtp+plain":
        raise ValueError("would send a password unprotected: use smtp:// or smtps://.")
    return text


def _api_key(text: str) -> tuple[str, str]:
    key_sid, _, secret = text.partition(":")
    if not key_sid or not secret:
        raise ValueError("must have the form “sid:secret”.")
    return key_sid, secret


Switch = Annotated[bool, _one_of({"on": True, "off": False})]
Secret = Annotated[str, BeforeValidator(_secret)]
WebAddress = Annotated[str, BeforeValidator(_web_address)]
Days = Annotated[int, Whole(1, 3_650)]
DatabaseUrl = Annotated[str, Field(validation_alias="DATABASE_URL"), BeforeValidator(_database_url)]
Slug = Annotated[
    str,
    _matching(
        r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        "must be an organization's slug: small letters, digits and “-”.",
    ),
]
# As `app.core.addresses`, which this layer can't import: mail is sent from no other address.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
_LABEL: Final = (
    r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]*[A-Za-z0-9\u0080-\U0010ffff])?"
)
MailAddress = Annotated[
    str,
    _matching(
        rf"(?!\S*\s)(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*",
        "must be a bare e-mail address, such as no-reply@salon.example.",
    ),
]
ManageUrl = Annotated[
    str,
    _matching(
        r"https?://(?=.*\{token\})(?:[^{}\s]|\{token\}|\{appointment\})*",
        "must be a web address that contains {token}; it may contain {appointment}, and nothing "
        "else in braces.",
    ),
]


# ------------------------------------------------------------------ the settings


def _named(prefix: str) -> ConfigDict:
    """The variables of a class: this prefix, and the name of the field in capitals."""
    return ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda field: prefix + field.upper())
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ManageKey:
    """Signs the tokens with which guests manage their appointment; `id` travels in the token."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The limits of one caller; 0 is no limit."""

    __pydantic_config__ = _named("SLOTWRIGHT_")

    guest_bookings_per_contact: Annotated[int, Whole(0, 10_000)] = 20
    """Open at once in an organization: more than a course of treatment has."""
    guest_bookings_per_address: Annotated[int, Whole(0, 10_000)] = 50
    """Open at once in one organization: an office's, not a program's."""
    guest_bookings_per_address_per_day: Annotated[int, Whole(0, 100_000)] = 100
    """Made in one organization, including those that were cancelled since."""
    customer_bookings: Annotated[int, Whole(0, 10_000)] = 50
    """Open at once in one organization: more than a family has."""
    rate_limits: Switch = True
    """Whether callers have the two budgets below."""
    points_per_minute: Annotated[int, Whole(1_000, 10**9)] = 1_000_000
    """Fields of answers that one caller may ask for: a thousand lists of a week's free times."""
    answer_kib: Annotated[int, Whole(64, 1024 * 1024)] = 8 * 1024
    """Of one answer, in units of 1,024 bytes; it is refused while it is being made."""
    guest_bookings_per_minute: Annotated[int, Whole(1, 10**6)] = 60
    """Bookings and holds that may be tried without a token from one address."""
    trusted_hops: Annotated[int, Whole(0, 10)] = 0
    """Proxies that append to X-Forwarded-For. One too many, and callers choose their address."""
    sockets_per_address: Annotated[int, Whole(0, 100_000)] = 200
    """Open at once to one process: many people share the address of an office or phone network."""
    subscriptions_per_caller: Annotated[int, Whole(0, 100_000)] = 200
    """Running at once in one process, of a signed-in caller or of an anonymous one's address."""
    messages_per_destination_per_day: Annotated[int, Whole(0, 100_000)] = 30
    """In one organization: a course of treatment booked at once, and some more."""
    messages_per_address_per_day: Annotated[int, Whole(0, 1_000_000)] = 200
    """In one organization: to unverified addresses, caused by guests behind one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How long a peer may keep the server waiting, and how many connections a process has."""

    __pydantic_config__ = _named("SLOTWRIGHT_")

    header_seconds: Annotated[int, Whole(1, 600)] = 10
    """For the whole head of a request, from accepting or from its first byte."""
    body_seconds: Annotated[int, Whole(1, 600)] = 10
    """For the whole body, from the end of the head."""
    unread_seconds: Annotated[int, Whole(1, 600)] = 30
    """For a peer to take everything that was sent, from the moment its window is full."""
    keep_alive_seconds: Annotated[int, Whole(1, 600)] = 75
    """Between requests. Usual proxies drop idle connections after 60 s: they never send into one
    that is closing.
    """
    connections: Annotated[int | None, Whole(1, 1_000_000)] = None
    """Open at once to one process; None: as many as it has descriptors for."""
    connections_per_address: Annotated[int, Whole(0, 1_000_000)] = 256
    """Open at once from one address; more than its WebSockets. 0 is no limit. Without effect behind
    proxies.
    """


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MailServer:
    """Where e-mail goes out: `tls` is "starttls", "tls" (from the first byte) or "none"."""

    host: str
    port: int
    tls: str
    username: str | None
    password: str | None
    from_address: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _MailVariables:
    __pydantic_config__ = _named("SLOTWRIGHT_")

    smtp_url: Annotated[str, BeforeValidator(_smtp_url)]
    mail_from: MailAddress

    def server(self) -> MailServer:
        parts = urlsplit(self.smtp_url)
        tls, usual_port = _TLS[parts.scheme]
        return MailServer(
            host=parts.hostname or "",
            port=parts.port or usual_port,
            tls=tls,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            from_address=self.mail_from,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TextGateway:
    """An account at Twilio or a gateway that speaks like it."""

    __pydantic_config__ = _named("SLOTWRIGHT_TWILIO_")

    account_sid: str
    auth_token: str
    api_key: Annotated[tuple[str, str] | None, BeforeValidator(_api_key)] = None
    sender: str
    """A number, a name or a messaging service."""
    base_url: Annotated[WebAddress, Field(validation_alias="SLOTWRIGHT_TWILIO_URL")] = TWILIO


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """What the program reports about itself."""

    __pydantic_config__ = _named("SLOTWRIGHT_")

    log_format: Annotated[Literal["json", "text"], _one_of({"json": "json", "text": "text"})] = (
        "json"
    )
    """One JSON object a line, for machines; or text, for people, with more in it."""
    log_operations: Switch = False
    """Whether every operation gets a line, not only the slow ones."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int | None, Whole(1, 65_535)] = None
    """Where Prometheus finds the metrics of this process and its children; None: nowhere."""
    traces: Switch = False
    """Whether OpenTelemetry's exporter is fed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveSettings:
    """How a process ends after SIGTERM: a server drains, finishes and closes, the worker finishes
    and closes.
    """

    __pydantic_config__ = _named("SLOTWRIGHT_")

    drain_seconds: Annotated[int, Whole(0, 300)] = 2
    """How long it still accepts connections after readiness turned red."""
    grace_seconds: Annotated[int, Whole(1, 600)] = 10
    """How long everything may take; orchestrators kill after 10 to 30 s."""

    @property
    def closing_seconds(self) -> float:
        """The part of the grace that is kept for closing connections."""
        return min(1.0, (self.grace_seconds - self.drain_seconds) / 4)

    @property
    def finishing_seconds(self) -> float:
        """How long running requests may take after the process stops accepting."""
        return self.grace_seconds - self.drain_seconds - self.closing_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long things are kept after they have served."""

    __pydantic_config__ = _named("SLOTWRIGHT_KEEP_")

    keys_hours: Annotated[int, Whole(24, 8_760)] = 48
    """Twice the day that clients are promised, so that no retry meets an edge."""
    holds_days: Days = 7
    """Long enough to find out what happened."""
    messages_days: Days = 365
    """Customers ask within months whether a message was sent."""
    events_days: Days = 30
    """A reader of events that was offline for weeks continues without a gap."""
    erased_history_days: Days = 30
    """Long enough to prove that an erasure was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenSettings:
    """Which access tokens are valid, besides those that `token_secret` signs."""

    __pydantic_config__ = _named("SLOTWRIGHT_TOKEN_")

    previous_secret: Annotated[
        Secret | None, Field(validation_alias="SLOTWRIGHT_TOKEN_SECRET_PREVIOUS")
    ] = None
    """The previous secret: tokens that it signed stay valid until they expire."""
    jwks_url: Annotated[
        str | None, Field(validation_alias="SLOTWRIGHT_JWKS_URL"), BeforeValidator(_jwks_url)
    ] = None
    """Where the public keys of an identity provider are; None: there is none."""
    audience: str | None = None
    """The required audience of tokens; None: a token may have none, or “slotwright”."""
    issuer: str | None = None
    """The required issuer of tokens; None: any."""
    leeway_seconds: Annotated[int, Whole(0, 300)] = 0
    """How far the clocks of this machine and of the issuer's may be apart."""


# no repr: it would put secrets into logs
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    __pydantic_config__ = _named("SLOTWRIGHT_")

    database_url: DatabaseUrl
    """postgresql://user:password@host:port/database"""
    redis_url: Annotated[str, Field(validation_alias="REDIS_URL"), BeforeValidator(_redis_url)]
    """redis://:password@host:port/number, or rediss:// for TLS. Never a cluster."""
    cache_url: Annotated[str | None, BeforeValidator(_redis_url)] = None
    """Where cached days, documents and budgets are: a plain Redis, or any node of a cluster. None:
    in the same Redis.
    """
    token_secret: Secret | None
    """Signs and checks access tokens (HS256). None: only an identity provider's are good."""
    manage_keys: Annotated[tuple[ManageKey, ...], BeforeValidator(_manage_keys)]
    """The first signs manage tokens, all check: a change of keys locks no guest out."""
    hash_secret: Secret
    """Keys the hashes of idempotent requests, so that a hash reveals no contact data."""
    tokens: TokenSettings = TokenSettings()
    limits: LimitSettings = LimitSettings()
    connections: ConnectionSettings = ConnectionSettings()
    retention: RetentionSettings = RetentionSettings()
    watch: WatchSettings = WatchSettings()
    leave: LeaveSettings = LeaveSettings()
    hsts_seconds: Annotated[int, Whole(0, 63_072_000)] = 0
    """How long browsers must use TLS only (HSTS); 0 sends no such header."""
    default_organization: Slug | None = None
    """Of anonymous callers that name none; None: they must name one."""
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_origins)] = ()
    """Origins whose pages may call the API; ("*",) allows all: tokens are no cookies."""
    cors_headers: Annotated[tuple[str, ...], BeforeValidator(_header_names)] = ()
    """Further headers that those pages may send."""
    hold_minutes: Annotated[int, Whole(1, 60)] = 10
    """How long a time is held: long enough for a form, short enough not to block others."""
    booking_page: Switch = False
    """Whether / and /manage serve the bundled booking page."""
    desk: Switch = False
    """Whether /desk serves the page where staff run the day."""
    graphiql: Switch = False
    """Whether a browser that opens /graphql gets GraphiQL."""
    introspection: Switch = False
    """Whether the schema may be asked for, and names are suggested for mistyped ones. Where the
    variable is not set, as GraphiQL, which is of no use without.
    """
    plain_executor: Switch = False
    """Whether operations are executed by graphql-core alone, without what makes lists fast."""
    mail_server: MailServer | None = None
    """Where e-mail goes out; None: messages by e-mail are skipped."""
    smtp_connections: Annotated[int, Whole(1, 64)] = 32
    """How many connections to the mail server a worker keeps at most."""
    text_gateway: TextGateway | None = None
    """Where text messages go out; None: they are skipped."""
    log_messages: Switch = False
    """Whether messages without a configured sender are logged, with their text and addresses."""
    public_url: WebAddress | None = None
    """Where this API is reached from outside. No slash at its end."""
    manage_url: ManageUrl | None = None
    """The page where a guest manages an appointment, with {token} and {appointment} in it."""
    test_clock: Switch = False
    """Whether the clock has the lead that is stored in the database, and may be moved."""
    mailbox: str | None = None
    """The folder that caught messages are shown from, at /dev/mailbox."""
    pool_size: Annotated[int, Whole(1, 200)] = 16
    """Connections to PostgreSQL of one process: more made bookings slower when it was measured."""
    statement_timeout_ms: Annotated[int, Whole(100, 600_000)] = 5_000
    """No statement of the program needs a second; longer waits for a lock are given up."""
    outgoing_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)
    ] = ()
    """Networks that feeds and webhooks may be in, in addition to the public internet."""
    documents: str | None = None
    """The file that lists the only GraphQL documents that run; None: any may."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Settings:
        """Reads and checks everything. Raises `SettingsError` for all variables that are missing,
        or for the first one that is wrong.
        """
        given = _given(env)
        tokens = token_settings(env)
        if tokens.jwks_url is not None:
            given.setdefault("SLOTWRIGHT_TOKEN_SECRET", None)
        if (graphiql := given.get("SLOTWRIGHT_GRAPHIQL")) is not None:
            given.setdefault("SLOTWRIGHT_INTROSPECTION", graphiql)
        leave = _read(LeaveSettings, given)
        if leave.drain_seconds >= leave.grace_seconds:
            raise SettingsError(
                "SLOTWRIGHT_DRAIN_SECONDS must be less than SLOTWRIGHT_GRACE_SECONDS, which "
                "includes it."
            )
        mail = _read(_MailVariables, given) if "SLOTWRIGHT_SMTP_URL" in given else None
        texts = _read(TextGateway, given) if "SLOTWRIGHT_TWILIO_ACCOUNT_SID" in given else None
        groups = {
            "SLOTWRIGHT_TOKENS": tokens,
            "SLOTWRIGHT_LIMITS": _read(LimitSettings, given),
            "SLOTWRIGHT_CONNECTIONS": _read(ConnectionSettings, given),
            "SLOTWRIGHT_RETENTION": _read(RetentionSettings, given),
            "SLOTWRIGHT_WATCH": _read(WatchSettings, given),
            "SLOTWRIGHT_LEAVE": leave,
            "SLOTWRIGHT_MAIL_SERVER": None if mail is None else mail.server(),
            "SLOTWRIGHT_TEXT_GATEWAY": texts,
        }
        return _read(cls, {**given, **groups})

    @classmethod
    def of_this_process(cls) -> Settings:
        return cls.from_environment(environment())


# ------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True, repr=False)
class _Database:
    url: DatabaseUrl


@dataclass(frozen=True, slots=True, repr=False)
class _Signing:
    secret: Annotated[Secret, Field(validation_alias="SLOTWRIGHT_TOKEN_SECRET")]


def environment() -> Mapping[str, str]:
    """What this process was started with."""
    return os.environ


def pass_on(variables: Mapping[str, str]) -> None:
    """Adds to the environment of this process's children."""
    os.environ.update(variables)


def database_url(env: Mapping[str, str]) -> str:
    """DATABASE_URL alone: `migrate` needs nothing else."""
    return _read(_Database, _given(env)).url


def token_secret(env: Mapping[str, str]) -> str:
    """SLOTWRIGHT_TOKEN_SECRET alone: `token` needs nothing else."""
    return _read(_Signing, _given(env)).secret


def token_settings(env: Mapping[str, str]) -> TokenSettings:
    """What `token` writes into a token besides its subject."""
    tokens = _read(TokenSettings, _given(env))
    if tokens.jwks_url is not None and (tokens.audience is None or tokens.issuer is None):
        # The provider signs tokens for other services with the same keys; they must not be good
        # here.
        raise SettingsError(
            "SLOTWRIGHT_JWKS_URL needs SLOTWRIGHT_TOKEN_ISSUER and SLOTWRIGHT_TOKEN_AUDIENCE."
        )
    return tokens


def _given(env: Mapping[str, str]) -> dict[str, str | None]:
    """An empty variable counts as not set: Compose and CI systems pass such variables."""
    return {name: text.strip() for name, text in env.items() if text.strip()}


_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {}
"""One for each class above: making one takes milliseconds."""


def _read(kind: type[T], given: Mapping[str, object]) -> T:
    """The dataclass with what is given. The error names all variables that are missing, or the
    first one that is wrong, and never a value.
    """
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    try:
        found: T = _ADAPTERS[kind].validate_python(given)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
    else:
        return found
    missing = [str(each["loc"][0]) for each in wrong if each["type"] == "missing"]
    if missing:
        *others, last = missing
        names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise SettingsError(f"{names} not set.")
    raise SettingsError(f"{wrong[0]['loc'][0]} {wrong[0]['ctx']['error']}")
