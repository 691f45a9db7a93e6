"""The only reader of the environment: frozen values, checked once at the start and passed down.

Every variable is in the table of docs/running.md; a test compares the two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from app.errors import OperatorError

SECRET_MIN_BYTES: Final = 32
"""A key shorter than the hash's output weakens HMAC-SHA-256 (RFC 7518, section 3.2)."""

DEFAULT_POOL_SIZE: Final = 16
"""Connections of one process. More than 16 made bookings slower, not faster, when it was measured.
"""

DEFAULT_HOLD_MINUTES: Final = 10
"""Long enough for a form, short enough that nobody else minds."""

TWILIO: Final = "https://api.twilio.com"

_TLS: Final = {"smtp": ("starttls", 587), "smtps": ("tls", 465), "smtp+plain": ("none", 25)}
"""How a scheme protects the connection, and its usual port (RFC 6409, RFC 8314)."""

DEFAULT_STATEMENT_TIMEOUT_MS: Final = 5_000
"""No statement of the program needs a second; whoever waits for a lock longer than this is better
told so.
"""

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAIL_ADDRESS: Final = re.compile(r"[^\s@<>,;:]+@[^\s@<>,;:]+")
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Python itself refuses to read thousands of them
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)
_SWITCH: Final = {"on": True, "off": False}


class SettingsError(OperatorError):
    """A variable is missing or can't be used. The message names it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ManageKey:
    """A key that signs the tokens with which guests manage their appointment; `id` travels in the
    token.
    """

    id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """How much one caller may have and ask for; 0 is no limit."""

    guest_bookings_per_contact: int = 20
    """Open at once, by guests of one e-mail or phone with one provider: more than a course of
    treatment has.
    """
    guest_bookings_per_address: int = 50
    """Open at once, by guests behind one address in one organization: an office's, not a program's.
    """
    rate_limits: bool = True
    """Whether callers have the two budgets below."""
    points_per_minute: int = 1_000_000
    """Fields of answers that one caller may ask for: a thousand lists of a week's free times."""
    guest_bookings_per_minute: int = 60
    """Bookings and holds that may be tried without a token from one address."""
    trusted_hops: int = 0
    """Proxies of ours that append to X-Forwarded-For. One too many, and callers choose their
    address themselves.
    """
    sockets_per_address: int = 200
    """Open at once to one process: offices and phone networks put many people behind one address.
    """
    subscriptions_per_caller: int = 200
    """Running at once in one process, of a signed-in caller or of an anonymous one's address."""
    messages_per_destination_per_day: int = 30
    """To one address of customers in one organization: a course of treatment booked at once, and
    some more.
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
class TextGateway:
    """An account at Twilio, or at a gateway that speaks like it. `sender` is a number, a name or a
    messaging service.
    """

    account_sid: str
    auth_token: str
    api_key: tuple[str, str] | None
    sender: str
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """What the program tells of itself."""

    log_format: Literal["json", "text"] = "json"
    """One JSON object a line, for machines; or text, for people, with more in it."""
    log_operations: bool = False
    """Whether every operation gets a line, not only the slow ones."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """Where Prometheus finds the metrics of this process and its children; None: nowhere."""
    traces: bool = False
    """Whether OpenTelemetry's exporter is fed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveSettings:
    """How a process ends after SIGTERM: a server drains, finishes and closes, the worker finishes
    and closes.
    """

    drain_seconds: int = 2
    """How long it still accepts, while readiness is red already."""
    grace_seconds: int = 10
    """How long everything may take; orchestrators kill after 10 to 30 s."""

    @property
    def closing_seconds(self) -> float:
        """What is kept of the grace for the end itself, when what ran is finished or given up:
        connections are closed.
        """
        return min(1.0, (self.grace_seconds - self.drain_seconds) / 4)

    @property
    def finishing_seconds(self) -> float:
        """How long requests may go on when nothing is accepted any more."""
        return self.grace_seconds - self.drain_seconds - self.closing_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long things are kept after they have served."""

    keys_hours: int = 48
    """Twice the day that clients are promised, so that no retry meets an edge."""
    holds_days: int = 7
    """Long enough to find out what happened."""
    messages_days: int = 365
    """Whether somebody was told is asked within months."""
    erased_history_days: int = 30
    """Who was asked to erase somebody can still show that they did."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenSettings:
    """Which access tokens are good, beside those that `token_secret` signs."""

    previous_secret: str | None = None
    """The secret before the present one: what it signed is good until it expires."""
    jwks_url: str | None = None
    """Where the public keys of an identity provider are; None: there is none."""
    audience: str | None = None
    """What a token has to be for; None: it may say nothing, or “slotwright”."""
    issuer: str | None = None
    """Whom a token has to be from; None: it may say what it likes."""
    leeway_seconds: int = 0
    """How far the clocks of this machine and of the issuer's may be apart."""


# no repr: it would put secrets into logs
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    database_url: str
    """Where PostgreSQL is: postgresql://user:password@host:port/database."""
    redis_url: str
    """Where Redis is: redis://:password@host:port/number, or rediss:// for TLS."""
    token_secret: str | None
    """Signs and checks access tokens (HS256); at least 32 bytes. None: only an identity provider's
    are good.
    """
    manage_keys: tuple[ManageKey, ...]
    """Sign and check manage tokens: the first signs, all check, so that a change of keys locks no
    guest out.
    """
    hash_secret: str
    """Keys the hash of an idempotent request, so that the stored hash tells nothing about its
    contact data.
    """
    tokens: TokenSettings = TokenSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    watch: WatchSettings = WatchSettings()
    leave: LeaveSettings = LeaveSettings()
    hsts_seconds: int = 0
    """How long browsers are told to come back over TLS alone; 0: they are told nothing."""
    default_organization: str | None = None
    """The slug of the organization of anonymous callers that name none; None: they have to name
    one.
    """
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API from a browser; ("*",) allows all: tokens are no
    cookies.
    """
    hold_minutes: int = DEFAULT_HOLD_MINUTES
    """How long a time is held for somebody who fills in a form."""
    booking_page: bool = False
    """Whether / and /manage are the booking page that comes along."""
    graphiql: bool = False
    """Whether a browser that opens /graphql gets GraphiQL."""
    introspection: bool = False
    """Whether the API tells its schema, by introspection and by what it suggests to those who
    mistype a name.
    """
    mail_server: MailServer | None = None
    """Where e-mail goes out; None: messages by e-mail are skipped."""
    text_gateway: TextGateway | None = None
    """Where text messages go out; None: they are skipped."""
    log_messages: bool = False
    """Whether messages without a way out are written to the log, words and addresses and all: for
    development.
    """
    public_url: str | None = None
    """Where this API is reached from outside: in links to stop messages, and for the gateway's
    reports. No slash at its end.
    """
    manage_url: str | None = None
    """The page where a guest manages an appointment, with {token} and {appointment} where those go.
    """
    test_clock: bool = False
    """Whether the clock follows the lead that the database holds, and may be moved: for development
    only.
    """
    mailbox: str | None = None
    """The folder that caught messages are shown from, at /dev/mailbox: for development only."""
    pool_size: int = DEFAULT_POOL_SIZE
    """Connections to PostgreSQL of one process, at most."""
    statement_timeout_ms: int = DEFAULT_STATEMENT_TIMEOUT_MS
    """How long one SQL statement may run."""
    documents: str | None = None
    """The file that lists the only GraphQL documents that run; None: any may, and callers may
    register theirs.
    """

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Settings:
        """Reads and checks everything; raises `SettingsError` at the first thing that is wrong."""
        tokens = _tokens(env)
        return cls(
            database_url=database_url(env),
            redis_url=_redis_url(env, "REDIS_URL"),
            token_secret=_secret(env, "SLOTWRIGHT_TOKEN_SECRET", required=tokens.jwks_url is None),
            manage_keys=_manage_keys(env, "SLOTWRIGHT_MANAGE_KEYS"),
            hash_secret=_the_secret(env, "SLOTWRIGHT_HASH_SECRET"),
            tokens=tokens,
            limits=_limits(env),
            retention=_retention(env),
            watch=_watch(env),
            leave=_leave(env),
            hsts_seconds=_number(
                env, "SLOTWRIGHT_HSTS_SECONDS", default=0, least=0, most=63_072_000
            ),
            default_organization=_slug(env, "SLOTWRIGHT_DEFAULT_ORGANIZATION"),
            cors_origins=_origins(env, "SLOTWRIGHT_CORS_ORIGINS"),
            hold_minutes=_number(
                env, "SLOTWRIGHT_HOLD_MINUTES", default=DEFAULT_HOLD_MINUTES, least=1, most=60
            ),
            booking_page=_switch(env, "SLOTWRIGHT_BOOKING_PAGE", default=False),
            graphiql=_switch(env, "SLOTWRIGHT_GRAPHIQL", default=False),
            introspection=_switch(
                env,
                "SLOTWRIGHT_INTROSPECTION",
                default=_switch(env, "SLOTWRIGHT_GRAPHIQL", default=False),
            ),
            mail_server=_mail_server(env),
            text_gateway=_text_gateway(env),
            log_messages=_switch(env, "SLOTWRIGHT_LOG_MESSAGES", default=False),
            public_url=_web_address(env, "SLOTWRIGHT_PUBLIC_URL"),
            manage_url=_manage_url(env, "SLOTWRIGHT_MANAGE_URL"),
            test_clock=_switch(env, "SLOTWRIGHT_TEST_CLOCK", default=False),
            mailbox=_given(env, "SLOTWRIGHT_MAILBOX"),
            pool_size=_number(
                env, "SLOTWRIGHT_POOL_SIZE", default=DEFAULT_POOL_SIZE, least=1, most=200
            ),
            statement_timeout_ms=_number(
                env,
                "SLOTWRIGHT_STATEMENT_TIMEOUT_MS",
                default=DEFAULT_STATEMENT_TIMEOUT_MS,
                least=100,
                most=600_000,
            ),
            documents=_given(env, "SLOTWRIGHT_DOCUMENTS"),
        )

    @classmethod
    def of_this_process(cls) -> Settings:
        return cls.from_environment(environment())


def environment() -> Mapping[str, str]:
    """What this process was started with."""
    return os.environ


def pass_on(variables: Mapping[str, str]) -> None:
    """For the children of this process: what they are started with beside what it was."""
    os.environ.update(variables)


def database_url(env: Mapping[str, str]) -> str:
    """DATABASE_URL alone: `migrate` and `organization` need nothing else."""
    return _address(env, "DATABASE_URL", ("postgresql", "postgres"))


def token_secret(env: Mapping[str, str]) -> str:
    """SLOTWRIGHT_TOKEN_SECRET alone: `token` needs nothing else."""
    return _the_secret(env, "SLOTWRIGHT_TOKEN_SECRET")


def token_settings(env: Mapping[str, str]) -> TokenSettings:
    """What `token` writes into a token beside who it is for."""
    return _tokens(env)


def _given(env: Mapping[str, str], name: str) -> str | None:
    """An empty variable counts as one that is not set: Compose and CI systems pass such."""
    return env.get(name, "").strip() or None


def _required(env: Mapping[str, str], name: str) -> str:
    value = _given(env, name)
    if value is None:
        raise SettingsError(f"{name} is not set.")
    return value


def _address(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    value = _required(env, name)
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        scheme = ""
    if scheme not in schemes:
        raise SettingsError(
            f"{name} has to start with {' or '.join(f'{scheme}://' for scheme in schemes)}."
        )
    return value


def _redis_url(env: Mapping[str, str], name: str) -> str:
    """The driver would take a database that is no number for the first one, and stumble over the
    port much later.
    """
    value = _address(env, name, ("redis", "rediss", "unix"))
    parts = urlsplit(value)
    if parts.scheme == "unix":
        return value
    try:
        good = parts.port != 0 and re.fullmatch(r"/?\d{0,4}", parts.path, re.ASCII) is not None
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{name} has to read “redis://:password@host:port/number”.")
    return value


def _the_secret(env: Mapping[str, str], name: str) -> str:
    return _secret(env, name) or _required(env, name)


def _secret(env: Mapping[str, str], name: str, *, required: bool = True) -> str | None:
    value = _required(env, name) if required else _given(env, name)
    if value is not None and len(value.encode()) < SECRET_MIN_BYTES:
        raise SettingsError(f"{name} is shorter than {SECRET_MIN_BYTES} bytes.")
    return value


def _tokens(env: Mapping[str, str]) -> TokenSettings:
    tokens = TokenSettings(
        previous_secret=_secret(env, "SLOTWRIGHT_TOKEN_SECRET_PREVIOUS", required=False),
        jwks_url=_jwks_url(env, "SLOTWRIGHT_JWKS_URL"),
        audience=_given(env, "SLOTWRIGHT_TOKEN_AUDIENCE"),
        issuer=_given(env, "SLOTWRIGHT_TOKEN_ISSUER"),
        leeway_seconds=_number(
            env, "SLOTWRIGHT_TOKEN_LEEWAY_SECONDS", default=0, least=0, most=300
        ),
    )
    if tokens.jwks_url is not None and (tokens.audience is None or tokens.issuer is None):
        # The provider signs tokens for other services with the same keys; they must not be good
        # here.
        raise SettingsError(
            "SLOTWRIGHT_JWKS_URL needs SLOTWRIGHT_TOKEN_ISSUER and SLOTWRIGHT_TOKEN_AUDIENCE."
        )
    return tokens


def _limits(env: Mapping[str, str]) -> LimitSettings:
    usual = LimitSettings()
    return LimitSettings(
        guest_bookings_per_contact=_number(
            env,
            "SLOTWRIGHT_GUEST_BOOKINGS_PER_CONTACT",
            default=usual.guest_bookings_per_contact,
            least=0,
            most=10_000,
        ),
        guest_bookings_per_address=_number(
            env,
            "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS",
            default=usual.guest_bookings_per_address,
            least=0,
            most=10_000,
        ),
        rate_limits=_switch(env, "SLOTWRIGHT_RATE_LIMITS", default=usual.rate_limits),
        points_per_minute=_number(
            env,
            "SLOTWRIGHT_POINTS_PER_MINUTE",
            default=usual.points_per_minute,
            least=1_000,
            most=10**9,
        ),
        guest_bookings_per_minute=_number(
            env,
            "SLOTWRIGHT_GUEST_BOOKINGS_PER_MINUTE",
            default=usual.guest_bookings_per_minute,
            least=1,
            most=10**6,
        ),
        trusted_hops=_number(
            env, "SLOTWRIGHT_TRUSTED_HOPS", default=usual.trusted_hops, least=0, most=10
        ),
        sockets_per_address=_number(
            env,
            "SLOTWRIGHT_SOCKETS_PER_ADDRESS",
            default=usual.sockets_per_address,
            least=0,
            most=100_000,
        ),
        subscriptions_per_caller=_number(
            env,
            "SLOTWRIGHT_SUBSCRIPTIONS_PER_CALLER",
            default=usual.subscriptions_per_caller,
            least=0,
            most=100_000,
        ),
        messages_per_destination_per_day=_number(
            env,
            "SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY",
            default=usual.messages_per_destination_per_day,
            least=0,
            most=100_000,
        ),
    )


def _watch(env: Mapping[str, str]) -> WatchSettings:
    style = (_given(env, "SLOTWRIGHT_LOG_FORMAT") or "json").lower()
    if style not in {"json", "text"}:
        raise SettingsError("SLOTWRIGHT_LOG_FORMAT has to be “json” or “text”.")
    has_port = _given(env, "SLOTWRIGHT_METRICS_PORT") is not None
    return WatchSettings(
        log_format="text" if style == "text" else "json",
        log_operations=_switch(env, "SLOTWRIGHT_LOG_OPERATIONS", default=False),
        metrics_host=_given(env, "SLOTWRIGHT_METRICS_HOST") or "127.0.0.1",
        metrics_port=_number(env, "SLOTWRIGHT_METRICS_PORT", default=0, least=1, most=65_535)
        if has_port
        else None,
        traces=_switch(env, "SLOTWRIGHT_TRACES", default=False),
    )


def _leave(env: Mapping[str, str]) -> LeaveSettings:
    usual = LeaveSettings()
    leave = LeaveSettings(
        drain_seconds=_number(
            env, "SLOTWRIGHT_DRAIN_SECONDS", default=usual.drain_seconds, least=0, most=300
        ),
        grace_seconds=_number(
            env, "SLOTWRIGHT_GRACE_SECONDS", default=usual.grace_seconds, least=1, most=600
        ),
    )
    if leave.drain_seconds >= leave.grace_seconds:
        raise SettingsError(
            "SLOTWRIGHT_DRAIN_SECONDS has to be less than SLOTWRIGHT_GRACE_SECONDS, which holds it."
        )
    return leave


def _retention(env: Mapping[str, str]) -> RetentionSettings:
    usual = RetentionSettings()

    def days(name: str, default: int) -> int:
        return _number(env, name, default=default, least=1, most=3_650)

    return RetentionSettings(
        keys_hours=_number(
            env, "SLOTWRIGHT_KEEP_KEYS_HOURS", default=usual.keys_hours, least=24, most=8_760
        ),
        holds_days=days("SLOTWRIGHT_KEEP_HOLDS_DAYS", usual.holds_days),
        messages_days=days("SLOTWRIGHT_KEEP_MESSAGES_DAYS", usual.messages_days),
        erased_history_days=days("SLOTWRIGHT_KEEP_ERASED_HISTORY_DAYS", usual.erased_history_days),
    )


def _jwks_url(env: Mapping[str, str], name: str) -> str | None:
    """Whoever can change what is read there can be anybody: so it is read over TLS, or from this
    machine.
    """
    value = _given(env, name)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        good = (
            bool(host)
            and parts.username is None
            and (parts.scheme == "https" or _is_loopback(host, parts.scheme))
        )
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{name} has to be an https:// address without a user name.")
    return value


def _is_loopback(host: str, scheme: str) -> bool:
    if scheme != "http":
        return False
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _manage_keys(env: Mapping[str, str], name: str) -> tuple[ManageKey, ...]:
    keys: list[ManageKey] = []
    for part in _required(env, name).split(","):
        key_id, separator, secret = part.strip().partition(":")
        if (
            not separator
            or not _KEY_ID.fullmatch(key_id)
            or len(secret.encode()) < SECRET_MIN_BYTES
        ):
            raise SettingsError(
                f"{name} has to read “id:secret,id:secret”, each id of up to 32 letters, digits, "
                "“-” and “_”,"
                f" each secret of at least {SECRET_MIN_BYTES} bytes."
            )
        if any(key.id == key_id for key in keys):
            raise SettingsError(f"{name} names the key “{key_id}” twice.")
        keys.append(ManageKey(id=key_id, secret=secret))
    return tuple(keys)


def _slug(env: Mapping[str, str], name: str) -> str | None:
    value = _given(env, name)
    if value is not None and not _SLUG.fullmatch(value):
        raise SettingsError(
            f"{name} has to be an organization's slug: small letters, digits and “-”."
        )
    return value


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in (_given(env, name) or "").split(",") if part.strip())
    if origins == ("*",):
        return origins
    for origin in origins:
        parts = urlsplit(origin)
        if (
            parts.scheme not in {"http", "https"}
            or origin != f"{parts.scheme}://{parts.netloc}"
            or not parts.netloc
        ):
            raise SettingsError(
                f"{name} has to be “*” or a list like “https://shop.example,http://localhost:3000”."
            )
    return origins


def _mail_server(env: Mapping[str, str]) -> MailServer | None:
    name = "SLOTWRIGHT_SMTP_URL"
    if _given(env, name) is None:
        return None
    address = _address(env, name, tuple(_TLS))
    parts = urlsplit(address)
    tls, usual_port = _TLS[parts.scheme]
    try:
        port = parts.port or usual_port
    except ValueError:
        port = 0
    if (
        not parts.hostname
        or not port
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
    ):
        raise SettingsError(f"{name} has to read “smtp://user:password@host:port”.")
    if parts.username and tls == "none":
        raise SettingsError(
            f"{name}: a password is not sent over an unprotected connection; use smtp:// or "
            "smtps://."
        )
    from_address = _required(env, "SLOTWRIGHT_MAIL_FROM")
    if not _MAIL_ADDRESS.fullmatch(from_address):
        raise SettingsError(
            "SLOTWRIGHT_MAIL_FROM has to be a bare e-mail address, such as no-reply@salon.example."
        )
    return MailServer(
        host=parts.hostname,
        port=port,
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        from_address=from_address,
    )


def _text_gateway(env: Mapping[str, str]) -> TextGateway | None:
    account_sid = _given(env, "SLOTWRIGHT_TWILIO_ACCOUNT_SID")
    if account_sid is None:
        return None
    api_key = _given(env, "SLOTWRIGHT_TWILIO_API_KEY")
    key_sid, separator, secret = (api_key or "").partition(":")
    if api_key is not None and not (separator and key_sid and secret):
        raise SettingsError("SLOTWRIGHT_TWILIO_API_KEY has to read “sid:secret”.")
    return TextGateway(
        account_sid=account_sid,
        auth_token=_required(env, "SLOTWRIGHT_TWILIO_AUTH_TOKEN"),
        api_key=None if api_key is None else (key_sid, secret),
        sender=_required(env, "SLOTWRIGHT_TWILIO_SENDER"),
        base_url=_web_address(env, "SLOTWRIGHT_TWILIO_URL") or TWILIO,
    )


def _web_address(env: Mapping[str, str], name: str) -> str | None:
    if _given(env, name) is None:
        return None
    value = _address(env, name, ("https", "http"))
    parts = urlsplit(value)
    if not parts.netloc or parts.query or parts.fragment:
        raise SettingsError(f"{name} has to be an address like “https://api.salon.example”.")
    return value.rstrip("/")


def _manage_url(env: Mapping[str, str], name: str) -> str | None:
    if _given(env, name) is None:
        return None
    value = _address(env, name, ("https", "http"))
    if "{token}" not in value or re.search(
        r"[{}]|\s", value.replace("{token}", "").replace("{appointment}", "")
    ):
        raise SettingsError(
            f"{name} has to hold {{token}}, and may hold {{appointment}}, and nothing else in "
            "braces."
        )
    return value


def _switch(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = _given(env, name)
    if value is None:
        return default
    if value.lower() not in _SWITCH:
        raise SettingsError(f"{name} has to be “on” or “off”.")
    return _SWITCH[value.lower()]


def _number(env: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    value = _given(env, name)
    if value is None:
        return default
    if not _DIGITS.fullmatch(value) or not least <= int(value) <= most:
        raise SettingsError(f"{name} has to be a whole number from {least} to {most}.")
    return int(value)
