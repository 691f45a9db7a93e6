"""Settings: each variable is checked, named in its error, and documented."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast, get_type_hints

import pytest
from pydantic.fields import FieldInfo

from app.settings import (
    MailServer,
    ManageKey,
    Settings,
    SettingsError,
    TextGateway,
    Whole,
    _MailVariables,
)

ROOT = Path(__file__).parents[2]
LONG = "x" * 32
GOOD = {
    "DATABASE_URL": "postgresql://me:secret@127.0.0.1:5432/slotwright",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SLOTWRIGHT_TOKEN_SECRET": LONG,
    "SLOTWRIGHT_MANAGE_KEYS": f"new:{LONG},old:{LONG}",
    "SLOTWRIGHT_HASH_SECRET": LONG,
}


def test_what_is_not_given_has_a_default() -> None:
    settings = Settings.from_environment(GOOD)
    assert settings.manage_keys == (
        ManageKey(id="new", secret=LONG),
        ManageKey(id="old", secret=LONG),
    )
    assert settings.default_organization is None
    assert settings.cors_origins == ()
    assert settings.graphiql is settings.introspection is False
    assert settings.documents is None
    assert settings.limits.messages_per_destination_per_day == 30
    assert settings.outgoing_networks == ()
    assert settings.pool_size == 16


def test_everything_can_be_given() -> None:
    settings = Settings.from_environment(
        GOOD
        | {
            "SLOTWRIGHT_DEFAULT_ORGANIZATION": "salon-anna",
            "SLOTWRIGHT_CORS_ORIGINS": "https://shop.example, http://localhost:3000",
            "SLOTWRIGHT_GRAPHIQL": "on",
            "SLOTWRIGHT_DOCUMENTS": "/etc/documents.json",
            "SLOTWRIGHT_SOCKETS_PER_ADDRESS": "0",
            "SLOTWRIGHT_SUBSCRIPTIONS_PER_CALLER": "7",
            "SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY": "0",
            "SLOTWRIGHT_OUTGOING_NETWORKS": "10.1.0.0/16, fd00:1::/64,127.0.0.1",
            "SLOTWRIGHT_POOL_SIZE": "4",
            "SLOTWRIGHT_STATEMENT_TIMEOUT_MS": "250",
        }
    )
    assert settings.default_organization == "salon-anna"
    assert settings.cors_origins == ("https://shop.example", "http://localhost:3000")
    # GraphiQL is of no use without the schema
    assert settings.graphiql is settings.introspection is True
    assert settings.documents == "/etc/documents.json"
    assert (settings.limits.sockets_per_address, settings.limits.subscriptions_per_caller) == (0, 7)
    assert settings.limits.messages_per_destination_per_day == 0
    assert settings.outgoing_networks == (
        ip_network("10.1.0.0/16"),
        ip_network("fd00:1::/64"),
        ip_network("127.0.0.1/32"),
    )
    assert settings.pool_size == 4
    assert settings.statement_timeout_ms == 250


def test_the_ways_out_to_people_are_read_whole() -> None:
    settings = Settings.from_environment(
        GOOD
        | {
            "SLOTWRIGHT_SMTP_URL": "smtps://me%40salon:p%3Ass@mail.salon.example",
            "SLOTWRIGHT_MAIL_FROM": "no-reply@salon.example",
            "SLOTWRIGHT_TWILIO_ACCOUNT_SID": "AC1",
            "SLOTWRIGHT_TWILIO_AUTH_TOKEN": "token",
            "SLOTWRIGHT_TWILIO_SENDER": "MG1",
            "SLOTWRIGHT_TWILIO_API_KEY": "SK1:secret",
            "SLOTWRIGHT_PUBLIC_URL": "https://api.salon.example/",
            "SLOTWRIGHT_MANAGE_URL": "https://salon.example/m#{token}&{appointment}",
        }
    )
    mail, gateway = settings.mail_server, settings.text_gateway
    assert mail is not None
    assert (mail.host, mail.port, mail.tls) == ("mail.salon.example", 465, "tls")
    assert (mail.username, mail.password) == ("me@salon", "p:ss")
    assert gateway is not None
    assert gateway.api_key == ("SK1", "secret")
    assert gateway.base_url == "https://api.twilio.com"
    assert settings.public_url == "https://api.salon.example"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SLOTWRIGHT_SMTP_URL": "smtp://mail.example"}, "SLOTWRIGHT_MAIL_FROM is not set."),
        (
            {
                "SLOTWRIGHT_SMTP_URL": "smtp+plain://me:x@mail.example",
                "SLOTWRIGHT_MAIL_FROM": "a@b.c",
            },
            "unprotected",
        ),
        (
            {"SLOTWRIGHT_SMTP_URL": "smtp://mail.example:x", "SLOTWRIGHT_MAIL_FROM": "a@b.c"},
            "must have the form",
        ),
        (
            {"SLOTWRIGHT_SMTP_URL": "smtp://mail.example", "SLOTWRIGHT_MAIL_FROM": "Me <a@b.c>"},
            "bare",
        ),
        *(
            ({"SLOTWRIGHT_SMTP_URL": "smtp://mail.example", "SLOTWRIGHT_MAIL_FROM": odd}, "bare")
            for odd in ("a..b@c.example", "a@[192.0.2.1]", "a@b_c.example", "a b@c.example", "a@c.")
        ),
        (
            {"SLOTWRIGHT_TWILIO_ACCOUNT_SID": "AC1"},
            "SLOTWRIGHT_TWILIO_AUTH_TOKEN and SLOTWRIGHT_TWILIO_SENDER are not set.",
        ),
        ({"SLOTWRIGHT_PUBLIC_URL": "https://a.example/?x"}, "SLOTWRIGHT_PUBLIC_URL"),
        ({"SLOTWRIGHT_MANAGE_URL": "https://a.example/"}, "{token}"),
        ({"SLOTWRIGHT_MANAGE_URL": "https://a.example/{token}/{other}"}, "nothing else"),
    ],
)
def test_an_unusable_sender_is_reported_at_the_start(variables: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        Settings.from_environment(GOOD | variables)


def test_all_missing_variables_are_named_at_once() -> None:
    *others, last = GOOD
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({})
    assert str(refused.value) == f"{', '.join(others)} and {last} are not set."


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    env = {key: text for key, text in GOOD.items() if key != name} | (
        {} if value is None else {name: value}
    )
    with pytest.raises(SettingsError, match=rf"^{name} is not set\.$"):
        Settings.from_environment(env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://127.0.0.1/x"),
        ("DATABASE_URL", "127.0.0.1"),
        ("DATABASE_URL", "postgresql://[::1/x"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:99999/0"),
        ("REDIS_URL", "redis://127.0.0.1:-1/0"),
        ("REDIS_URL", "redis://127.0.0.1:nan/0"),
        ("REDIS_URL", "redis://127.0.0.1/one"),
        ("REDIS_URL", "redis://127.0.0.1/-1"),
        ("SLOTWRIGHT_CACHE_URL", "http://127.0.0.1"),
        ("SLOTWRIGHT_TOKEN_SECRET", "x" * 31),
        ("SLOTWRIGHT_HASH_SECRET", "short"),
        ("SLOTWRIGHT_MANAGE_KEYS", LONG),
        ("SLOTWRIGHT_MANAGE_KEYS", f"a b:{LONG}"),
        ("SLOTWRIGHT_MANAGE_KEYS", "a:short"),
        ("SLOTWRIGHT_MANAGE_KEYS", f"a:{LONG},a:{LONG}"),
        ("SLOTWRIGHT_MANAGE_KEYS", f"a:{LONG},"),
        ("SLOTWRIGHT_DEFAULT_ORGANIZATION", "Salon Anna"),
        ("SLOTWRIGHT_CORS_ORIGINS", "shop.example"),
        ("SLOTWRIGHT_CORS_ORIGINS", "https://shop.example/path"),
        ("SLOTWRIGHT_CORS_ORIGINS", "https://"),
        ("SLOTWRIGHT_CORS_ORIGINS", "*,https://shop.example"),
        ("SLOTWRIGHT_CORS_HEADERS", "x-tenant:"),
        ("SLOTWRIGHT_CORS_HEADERS", "x tenant"),
        ("SLOTWRIGHT_GRAPHIQL", "yes"),
        ("SLOTWRIGHT_INTROSPECTION", "yes"),
        ("SLOTWRIGHT_SOCKETS_PER_ADDRESS", "-1"),
        ("SLOTWRIGHT_SUBSCRIPTIONS_PER_CALLER", "many"),
        ("SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY", "-1"),
        ("SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY", "off"),
        ("SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY", "100001"),
        ("SLOTWRIGHT_POOL_SIZE", "0"),
        ("SLOTWRIGHT_POOL_SIZE", "201"),
        ("SLOTWRIGHT_POOL_SIZE", "-1"),
        ("SLOTWRIGHT_POOL_SIZE", "٤"),
        ("SLOTWRIGHT_STATEMENT_TIMEOUT_MS", "99"),
        ("SLOTWRIGHT_STATEMENT_TIMEOUT_MS", "1e3"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} .*\.$") as caught:
        Settings.from_environment(GOOD | {name: value})
    assert "\n" not in str(caught.value)


def numbers_in(settings: object, place: str = "") -> dict[str, int | None]:
    """Every setting that is a number, or None instead of one, at any place of the class."""
    found: dict[str, int | None] = {}
    assert is_dataclass(settings)
    for name, kind in get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        if kind in (int, int | None):
            found[f"{place}{name}"] = value
        elif is_dataclass(kind):
            found |= numbers_in(value, f"{place}{name}.")
    return found


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is declared, with its bounds where it is a number."""

    name: str
    default: object
    bounds: Whole | None


def variables_of(kind: type) -> list[Variable]:
    """Every variable that the fields of a class declare, and those of the classes within."""
    config = getattr(kind, "__pydantic_config__")  # noqa: B009  no class of mypy's has it
    declared: list[Variable] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if is_dataclass(hint):
            declared += variables_of(cast("type", hint))
            continue
        if hint in (MailServer | None, TextGateway | None):
            declared += variables_of(_MailVariables if hint == MailServer | None else TextGateway)
            continue
        marks = getattr(hint, "__metadata__", ())
        named = [str(mark.validation_alias) for mark in marks if isinstance(mark, FieldInfo)]
        (default,) = (field.default for field in fields(cast("Any", kind)) if field.name == name)
        declared.append(
            Variable(
                named[0] if named else config["alias_generator"].validation_alias(name),
                default,
                next((mark for mark in marks if isinstance(mark, Whole)), None),
            )
        )
    return declared


@dataclass(frozen=True, slots=True)
class Number:
    """A variable that is read as a number, and what it may be."""

    name: str
    least: int
    most: int


VARIABLES = variables_of(Settings)
NUMBERS = [
    Number(variable.name, variable.bounds.least, variable.bounds.most)
    for variable in VARIABLES
    if variable.bounds is not None
]
ODD = (
    *(
        "-1",
        "-0",
        "+1",
        "1.5",
        "1.0",
        "1e3",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_000",
        "1,000",
        "1 000",
        "٤",
        "²",
        "½",
    ),
    *("None", "true", "ten", "1s", "--", "\x00", "1\n2", "9" * 19, "9" * 5_000, "-" + "9" * 5_000),
)
# each of the two bounds the other
ROOMY = GOOD | {"SLOTWRIGHT_GRACE_SECONDS": "600", "SLOTWRIGHT_DRAIN_SECONDS": "0"}


def test_every_number_of_the_settings_is_read_from_a_variable_of_its_own() -> None:
    usual = numbers_in(Settings.from_environment(ROOMY))
    changed: list[str] = []
    for number in NUMBERS:
        values = {str(number.least), str(number.most)}
        given = [
            numbers_in(Settings.from_environment(ROOMY | {number.name: value})) for value in values
        ]
        changed += {
            field for settings in given for field in usual if settings[field] != usual[field]
        }
    assert sorted(changed) == sorted(usual)
    assert len(NUMBERS) == len(usual) > 15


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:12]))
def test_an_odd_number_is_refused_by_its_name(number: Number, odd: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^{number.name} must be a whole number from \d+ to \d+\.$"
    ):
        Settings.from_environment(ROOMY | {number.name: odd})


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_number_may_be_what_its_bounds_say_and_nothing_beyond(number: Number) -> None:
    assert 0 <= number.least < number.most
    for good in (f"{number.least}", f"{number.most}", f" {number.most}\n", f"000{number.most}"):
        Settings.from_environment(ROOMY | {number.name: good})
    for bad in (number.least - 1, number.most + 1):
        with pytest.raises(SettingsError, match=f"^{number.name} "):
            Settings.from_environment(ROOMY | {number.name: str(bad)})
    usual = Settings.from_environment(
        {name: value for name, value in ROOMY.items() if name != number.name}
    )
    for empty in ("", "  ", "\t"):
        assert numbers_in(Settings.from_environment(ROOMY | {number.name: empty})) == numbers_in(
            usual
        )


def test_secrets_do_not_appear_where_settings_are_printed() -> None:
    settings = Settings.from_environment(GOOD)
    assert LONG not in f"{settings!r}{settings.manage_keys!r}"
    assert "secret@" not in repr(settings)


def test_the_table_of_the_documentation_names_each_variable_with_its_default() -> None:
    rows = re.findall(
        r"^\| `((?:DATABASE|REDIS|SLOTWRIGHT)_[A-Z_]+)` \| .* \| (.*) \|$",
        (ROOT / "docs" / "running.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    documented = dict(rows)
    assert len(rows) == len(documented)
    assert set(documented) == {variable.name for variable in VARIABLES}
    assert {name for name, default in documented.items() if default == "required"} == set(GOOD)
    derived = {"SLOTWRIGHT_INTROSPECTION": "as `SLOTWRIGHT_GRAPHIQL`"}
    for variable in VARIABLES:
        said = documented[variable.name]
        match variable.default:
            case _ if variable.name in derived:
                assert said == derived[variable.name]
            case bool(on):
                assert said == ("`on`" if on else "`off`"), variable.name
            case int() | str() as default:
                assert said == f"`{default}`", variable.name
            case _:
                assert said.startswith(("none", "required", "that of")), variable.name


def test_no_other_module_reads_the_environment() -> None:
    """The installer of the browser packages runs on its own, before there is anything to be set."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "app").rglob("*.py")
        if re.search(r"\bos\.environ\b|\bgetenv\b", path.read_text(encoding="utf-8"))
    }
    assert readers <= {"app/settings.py", "app/web/assets.py"}


JWKS = {
    "SLOTWRIGHT_JWKS_URL": "https://id.example/keys",
    "SLOTWRIGHT_TOKEN_ISSUER": "https://id.example/",
    "SLOTWRIGHT_TOKEN_AUDIENCE": "bookings",
}


def test_with_an_identity_provider_a_secret_of_ours_may_be_left_out() -> None:
    settings = Settings.from_environment({**GOOD, **JWKS, "SLOTWRIGHT_TOKEN_SECRET": ""})
    assert settings.token_secret is None
    assert settings.tokens.jwks_url == "https://id.example/keys"


@pytest.mark.parametrize("missing", ["SLOTWRIGHT_TOKEN_ISSUER", "SLOTWRIGHT_TOKEN_AUDIENCE"])
def test_what_an_identity_provider_signs_for_others_is_never_good(missing: str) -> None:
    with pytest.raises(
        SettingsError, match="SLOTWRIGHT_TOKEN_ISSUER and SLOTWRIGHT_TOKEN_AUDIENCE"
    ):
        Settings.from_environment({**GOOD, **JWKS, missing: ""})


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("http://127.0.0.1:8080/keys", True),
        ("http://localhost/keys", True),
        ("http://[::1]/keys", True),
        ("http://id.example/keys", False),
        ("http://10.0.0.7/keys", False),
        ("http://127.0.0.1.evil.example/keys", False),
        ("https://me:secret@id.example/keys", False),
        ("https:///keys", False),
        ("https://[::1/keys", False),
        ("file:///etc/passwd", False),
        ("id.example", False),
    ],
)
def test_keys_are_read_over_tls_or_from_this_machine(address: str, good: bool) -> None:  # noqa: FBT001
    env = {**GOOD, **JWKS, "SLOTWRIGHT_JWKS_URL": address}
    if good:
        assert Settings.from_environment(env).tokens.jwks_url == address
    else:
        with pytest.raises(SettingsError, match="SLOTWRIGHT_JWKS_URL"):
            Settings.from_environment(env)
