"""Every message that exists, and what it must and must not contain."""

from __future__ import annotations

import itertools
from binascii import a2b_qp
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import meta

from app.core.lifecycle import CustomerTerms
from app.core.money import Money
from app.core.sentences import LANGUAGES
from app.notify import gsm, overrides, render, wording
from app.notify.message import (
    Channel,
    MessageFacts,
    MessageKind,
    PlaceFacts,
    Recipient,
    RenderedEmail,
    RenderedSms,
)
from app.notify.quoted_printable import quoted_printable
from tests.unit.notify.facts import full_facts, some_facts, some_terms, utc

CUSTOMER, PROVIDER = Recipient.CUSTOMER, Recipient.PROVIDER
LOCALES = ("en", "de-AT", "fr-CA", "es-MX", "ja", None)
EVERY = list(itertools.product(MessageKind, Recipient, LOCALES))
HOSTILE = (
    "<script>alert(1)</script> \"'&{{ 7*7 }}{% x %}\r\nBcc: evil@example.org\n\nPay at evil.example"
)


class _Page(HTMLParser):
    """What a reader sees and where its links lead."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.seen = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in {"href", "src", "background"}
        ]

    def handle_data(self, data: str) -> None:
        self.seen += data


def _unescaped_space(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("kind", "recipient", "locale"), EVERY)
@pytest.mark.parametrize(
    "facts", [some_facts(service_name=None), full_facts()], ids=["bare", "full"]
)
def test_every_message_can_be_said(
    kind: MessageKind, recipient: Recipient, locale: str | None, facts: MessageFacts
) -> None:
    """In every language, with all there is to say and with nothing but the time: no gap, no
    leftover of a template.
    """
    facts = replace(facts, locale=locale)
    email = render.render(facts, kind, recipient, Channel.EMAIL)
    assert isinstance(email, RenderedEmail)
    sms = render.render(facts, kind, recipient, Channel.SMS)
    assert isinstance(sms, RenderedSms)
    page = _Page(email.html)
    for text in (email.subject, email.text, page.seen, sms.text):
        assert text.strip()
        for leftover in ("None", "{{", "{%", "Undefined", "()", "  ·"):
            assert leftover not in text
    speech = wording.negotiate(locale)
    assert email.language == sms.language == speech.language
    assert f'lang="{speech.language}"' in email.html
    when = wording.when(
        facts.starts_at,
        facts.ends_at,
        now=facts.now,
        zone=wording.zone_of(facts.time_zone),
        speech=speech,
    )
    for text in (email.text, _unescaped_space(page.seen)):
        assert when.date in text
        assert when.hours in text
        assert when.zone in text
    assert when.time in email.subject
    assert "\n" not in email.subject
    assert email.problem is None
    assert sms.problem is None


def test_the_languages_say_the_same_things() -> None:
    """A phrase that one language lacks would only be missed by its readers."""
    environment = render._environment()
    facts = render._words(full_facts(), MessageKind.BOOKED, CUSTOMER, wording.negotiate("en"))
    names = {
        language: set(vars(environment.get_template(f"{language}.j2").make_module(dict(facts))))
        for language in LANGUAGES
    }
    assert all(names[language] == names["en"] for language in LANGUAGES)


def test_the_words_of_templates_are_those_that_are_documented() -> None:
    words = render._words(full_facts(), MessageKind.BOOKED, PROVIDER, wording.negotiate("en"))
    assert set(words) == overrides.WORDS
    environment = render._environment()
    for language in LANGUAGES:
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, f"{language}.j2")
        assert meta.find_undeclared_variables(environment.parse(source)) <= overrides.WORDS


# ---------------------------------------------------------------- the right hour


@pytest.mark.parametrize(
    ("zone", "locale", "starts_at", "shown"),
    [
        (
            "Europe/Berlin",
            "de",
            utc(2026, 3, 29, 7),
            "Sonntag, 29. März 2026 | 09:00 – 10:00 | Berlin, GMT+2",
        ),
        (
            "Europe/Berlin",
            "de",
            utc(2026, 3, 28, 8),
            "Samstag, 28. März 2026 | 09:00 – 10:00 | Berlin, GMT+1",
        ),
        ("Europe/Berlin", "de", utc(2026, 10, 25, 0, 30), "02:30 (GMT+2) – 02:30 (GMT+1) | Berlin"),
        (
            "America/New_York",
            "en",
            utc(2026, 3, 7, 14),
            "Saturday, March 7, 2026 | 9:00 AM – 10:00 AM | New York, GMT-5",
        ),
        (
            "America/New_York",
            "en",
            utc(2026, 3, 8, 13),
            "Sunday, March 8, 2026 | 9:00 AM – 10:00 AM | New York, GMT-4",
        ),
        ("America/New_York", "es", utc(2026, 11, 1, 6, 30), "1:30 – 2:30 | Nueva York, GMT-5"),
        (
            "Asia/Kathmandu",
            "en-GB",
            utc(2026, 3, 29, 3, 15),
            "Sunday, 29 March 2026 | 09:00 – 10:00 | Kathmandu, GMT+5:45",
        ),
        (
            "Australia/Lord_Howe",
            "fr",
            utc(2026, 4, 3, 22),
            "samedi 4 avril 2026 | 09:00 – 10:00 | Lord Howe, UTC+11",
        ),
        (
            "Australia/Lord_Howe",
            "fr",
            utc(2026, 4, 4, 22, 30),
            "dimanche 5 avril 2026 | 09:00 – 10:00 | Lord Howe, UTC+10:30",
        ),
        (
            "Australia/Lord_Howe",
            "en",
            utc(2026, 10, 3, 15),
            "1:30 AM (GMT+10:30) – 3:00 AM (GMT+11) | Lord Howe Island",
        ),
    ],
)
@pytest.mark.parametrize("recipient", Recipient)
def test_clock_changes_do_not_move_a_visit(
    zone: str, locale: str, starts_at: datetime, shown: str, recipient: Recipient
) -> None:
    """Nine o'clock is nine o'clock on both sides of a change; twenty-four hours before are
    twenty-four hours.
    """
    facts = some_facts(
        time_zone=zone,
        locale=locale,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        now=starts_at - timedelta(hours=24),
    )
    parts = [*shown.split(" | "), "24"]
    email = render.render_email(facts, MessageKind.DAY_BEFORE, recipient)
    for text in (_unescaped_space(email.text), _unescaped_space(_Page(email.html).seen)):
        assert all(part in text for part in parts), text


def test_a_late_reminder_says_how_much_time_is_left() -> None:
    """A worker was down for three hours: not a day remains, but twenty-one hours."""
    late = some_facts(now=utc(2026, 3, 28, 10))
    for message in (
        render.render_email(late, MessageKind.DAY_BEFORE, CUSTOMER).text,
        render.render_sms(late, MessageKind.DAY_BEFORE, CUSTOMER).text,
    ):
        assert "21 hours" in message
        assert "24 hours" not in message
        assert "tomorrow" not in message


def test_money_has_its_own_digits() -> None:
    for currency, shown in (("JPY", "¥1,500"), ("KWD", "KWD\u00a01.500"), ("EUR", "€15.00")):
        facts = full_facts(
            price=Money(amount_minor=1500, currency=currency),
            cancellation_fee=Money(amount_minor=1500, currency=currency),
        )
        assert f"Price: {shown}\n" in render.render_email(facts, MessageKind.BOOKED, CUSTOMER).text
        assert (
            f"Cancellation fee: {shown}\n"
            in render.render_email(facts, MessageKind.CANCELLED, CUSTOMER).text
        )


TERMS = [
    (
        some_terms(),
        {
            "en": "Cancellation: Free until Sat, Mar 28, 9:00 AM (Berlin, GMT+1), then €10.00",
            "de": "Absage: Kostenlos bis Sa., 28. März, 09:00 (Berlin, GMT+1), danach 10,00 €",
            "fr": "Annulation : Gratuite jusqu’au sam. 28 mars, 09:00 (Berlin, UTC+1), puis 10,00 €",
            "es": "Cancelación: Gratuita hasta el sáb, 28 mar, 9:00 (Berlín, GMT+1); después, 10,00 €",
        },
        {"en": "Change or cancel", "de": "Verschieben oder absagen", "fr": "Modifier ou annuler", "es": "Cambiar o cancelar"},
    ),
    (
        some_terms(is_late=True, may_move=False),
        {
            "en": "Cancellation: €10.00; it was free until Sat, Mar 28, 9:00 AM (Berlin, GMT+1)",
            "de": "Absage: 10,00 €; kostenlos war sie bis Sa., 28. März, 09:00 (Berlin, GMT+1)",
            "fr": "Annulation : 10,00 € ; elle était gratuite jusqu’au sam. 28 mars, 09:00 (Berlin, UTC+1)",
            "es": "Cancelación: 10,00 €; era gratuita hasta el sáb, 28 mar, 9:00 (Berlín, GMT+1)",
        },
        {"en": "View or cancel", "de": "Ansehen oder absagen", "fr": "Voir ou annuler", "es": "Ver o cancelar"},
    ),
    (
        some_terms(late_fee=None),
        {
            "en": "Cancellation: Free until Sat, Mar 28, 9:00 AM (Berlin, GMT+1), then no longer possible",
            "de": "Absage: Kostenlos bis Sa., 28. März, 09:00 (Berlin, GMT+1), danach nicht mehr möglich",
            "fr": "Annulation : Gratuite jusqu’au sam. 28 mars, 09:00 (Berlin, UTC+1), ensuite plus possible",
            "es": "Cancelación: Gratuita hasta el sáb, 28 mar, 9:00 (Berlín, GMT+1); después ya no es posible",
        },
        {"en": "Change or cancel", "de": "Verschieben oder absagen", "fr": "Modifier ou annuler", "es": "Cambiar o cancelar"},
    ),
    (
        some_terms(late_fee=None, is_late=True, may_cancel=False, may_move=False),
        {
            "en": "Cancellation: No longer possible; it was free until Sat, Mar 28, 9:00 AM (Berlin, GMT+1)",
            "de": "Absage: Nicht mehr möglich; kostenlos war sie bis Sa., 28. März, 09:00 (Berlin, GMT+1)",
            "fr": "Annulation : Plus possible ; elle était gratuite jusqu’au sam. 28 mars, 09:00 (Berlin, UTC+1)",
            "es": "Cancelación: Ya no es posible; era gratuita hasta el sáb, 28 mar, 9:00 (Berlín, GMT+1)",
        },
        {"en": "View appointment", "de": "Termin ansehen", "fr": "Voir le rendez-vous", "es": "Ver la cita"},
    ),
    (
        some_terms(free_until=None, late_fee=None),
        {
            "en": "Cancellation: Free until the appointment starts",
            "de": "Absage: Kostenlos bis zum Beginn des Termins",
            "fr": "Annulation : Gratuite jusqu’au début du rendez-vous",
            "es": "Cancelación: Gratuita hasta el comienzo de la cita",
        },
        {"en": "Change or cancel", "de": "Verschieben oder absagen", "fr": "Modifier ou annuler", "es": "Cambiar o cancelar"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "row"),
    [
        ("en", "If you don’t come: €10.00"),
        ("de", "Bei Nichterscheinen: 10,00 €"),
        ("fr", "En cas d’absence : 10,00 €"),
        ("es", "Si no acude: 10,00 €"),
    ],
)
def test_a_message_says_what_not_coming_costs(language: str, row: str) -> None:
    charged = full_facts(
        terms=replace(some_terms(), no_show_fee=some_terms().late_fee), locale=language
    )
    for kind in set(MessageKind) - {MessageKind.CANCELLED}:
        assert row in _unescaped_space(render.render_email(charged, kind, CUSTOMER).text)
    label = row.partition(":")[0].strip()
    free = full_facts(terms=some_terms(), locale=language)
    for facts, kind, recipient in (
        (free, MessageKind.BOOKED, CUSTOMER),
        (charged, MessageKind.CANCELLED, CUSTOMER),
        (charged, MessageKind.BOOKED, PROVIDER),
    ):
        assert label not in render.render_email(facts, kind, recipient).text


@pytest.mark.parametrize(("terms", "policy", "label"), TERMS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_says_the_policy_and_offers_what_it_allows(
    terms: CustomerTerms, policy: dict[str, str], label: dict[str, str], language: str
) -> None:
    facts = full_facts(terms=terms, locale=language)
    for kind in set(MessageKind) - {MessageKind.CANCELLED}:
        email = render.render_email(facts, kind, CUSTOMER)
        assert policy[language] in email.text.replace("\u00a0", " ")
        assert policy[language].partition(": ")[2] in _unescaped_space(_Page(email.html).seen)
        assert f"{label[language]}{' ' if language == 'fr' else ''}: https://" in email.text
        assert label[language] in _Page(email.html).seen
    sms = render.render_sms(facts, MessageKind.BOOKED, CUSTOMER)
    assert gsm.fold(label[language]) in sms.text


def test_a_calendar_promises_nothing() -> None:
    """It is read when the free time is over, too."""
    calendar = render.render_email(full_facts(), MessageKind.BOOKED, CUSTOMER).ics.decode()
    unfolded = calendar.replace("\r\n ", "")
    assert "View appointment: https://book.example.org" in unfolded
    assert "Change or cancel" not in unfolded
    assert "then €10.00" in unfolded


def test_what_can_no_longer_be_cancelled_has_no_terms() -> None:
    email = render.render_email(full_facts(terms=None), MessageKind.HOUR_BEFORE, CUSTOMER)
    assert "Cancellation" not in email.text
    assert "View appointment: https://" in email.text
    cancelled = render.render_email(full_facts(), MessageKind.CANCELLED, CUSTOMER)
    assert "Free until" not in cancelled.text
    assert "View appointment: https://" in cancelled.text


# ---------------------------------------------------------------- strangers' words


@pytest.mark.parametrize(("kind", "recipient", "locale"), EVERY)
def test_hostile_names_stay_names(
    kind: MessageKind, recipient: Recipient, locale: str | None
) -> None:
    facts = full_facts(
        locale=locale, organization_name=HOSTILE, provider_name=HOSTILE, service_name=HOSTILE, contact_name=HOSTILE,
        contact_email=HOSTILE, contact_phone=HOSTILE, notes=HOSTILE, cancellation_reason=HOSTILE,
        place=PlaceFacts(name=HOSTILE, address=HOSTILE, directions=HOSTILE),
    )  # fmt: skip
    harmless = render.render_email(full_facts(locale=locale), kind, recipient)
    email = render.render_email(facts, kind, recipient)
    assert _Page(email.html).tags == _Page(harmless.html).tags
    assert "<script" not in email.html
    assert "49" not in _Page(email.html).seen.replace("49,50", "").replace("49.50", "").replace(
        "+4917", ""
    )
    assert "\n" not in email.subject
    # A name is one line and fakes no other. (Notes and reasons have lines of their own, under their
    # label.)
    greeting = render.render_email(
        some_facts(locale=locale, contact_name=HOSTILE, provider_name=HOSTILE), kind, recipient
    )
    assert "\nBcc:" not in greeting.text
    assert "\nPay at" not in greeting.text
    sms = render.render_sms(facts, kind, recipient)
    assert "\n" not in sms.text


@given(st.text(alphabet=st.characters(), min_size=1, max_size=80))
def test_any_name_can_be_written(name: str) -> None:
    facts = full_facts(
        organization_name=name, provider_name=name, service_name=name, contact_name=name, notes=name
    )
    email = render.render_email(facts, MessageKind.BOOKED, PROVIDER)
    for text in (
        email.subject,
        email.text,
        email.html,
        render.render_sms(facts, MessageKind.BOOKED, PROVIDER).text,
    ):
        text.encode()


@given(
    st.sampled_from(EVERY),
    st.sampled_from([some_facts, full_facts]),
    st.text(st.sampled_from("aé ,.<&\n\ue000\ue001{}"), max_size=8),
    st.sampled_from(["", "\ue000contact\ue001", ", "]),
)
def test_a_layout_says_what_the_templates_say(
    which: tuple[MessageKind, Recipient, str | None],
    make: Callable[..., MessageFacts],
    name: str,
    other: str,
) -> None:
    """Whichever words there are, and whatever is in them."""
    kind, recipient, locale = which
    facts = make(locale=locale, contact_name=name, provider_name=name + other, service_name=other)
    words = render._words(facts, kind, recipient, wording.negotiate(facts.locale))
    for channel in Channel:
        said = render._said_with(channel, words)
        layout = render._layout(channel, render.Shape.of(words, kind))
        assert {part: layout[part].filled(words) for part in layout} == said
        for part in said.keys() & {"text", "html"}:
            encoded = layout[part].encoded(words)
            assert a2b_qp(encoded) == a2b_qp(quoted_printable(said[part]))
            assert encoded.endswith(b"\r\n")
            assert not encoded.endswith(b"=\r\n")
            assert max(map(len, encoded.split(b"\r\n"))) <= 76  # RFC 2045


def test_links_are_ours_alone_and_nothing_is_fetched() -> None:
    facts = full_facts(contact_name="https://evil.example", notes="http://evil.example <img src=x>")
    page = _Page(render.render_email(facts, MessageKind.BOOKED, PROVIDER).html)
    assert page.links == [
        "https://book.example.org/manage/abc?x=1&y=2",
        "https://book.example.org/unsubscribe/abc",
    ]
    assert not {"img", "link", "script", "iframe", "form"} & set(page.tags)


def _said(facts: MessageFacts, kind: MessageKind, recipient: Recipient) -> list[str]:
    """Everything that is sent: subject, texts, calendar and text message."""
    email = render.render_email(facts, kind, recipient)
    calendar = email.ics.decode().replace("\r\n ", "")
    sms = render.render_sms(facts, kind, recipient)
    return [email.subject, email.text, email.html, calendar, sms.text]


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_a_customers_side_wrote_does_not_go_to_a_customer(
    kind: MessageKind, locale: str
) -> None:
    """Mail that repeats what anybody typed, to an address nobody checked, is a spammer's relay.
    Only the name is there, in the greeting.
    """
    facts = full_facts(locale=locale, cancellation_reason="Visit us")
    subject, text, html, calendar, sms = _said(facts, kind, CUSTOMER)
    for said in (subject, text, html, calendar, sms):
        for typed in ("ada@salon.example", "Please knock", "Visit us"):
            assert typed not in said
    assert "Grace" not in subject + calendar + sms
    assert text.count("Grace") == html.count("Grace") == 1
    assert "Grace" in text.splitlines()[0]
    told = render.render_email(facts, kind, PROVIDER)
    assert "grace@example.org" in told.text
    assert "Please knock." in told.text
    assert ("Visit us" in told.text) == (kind is MessageKind.CANCELLED)


def test_the_practices_reason_goes_to_the_customer() -> None:
    facts = full_facts(
        cancellation_reason="Closed. See https://salon.example", is_cancelled_by_practice=True
    )
    for recipient in Recipient:
        text = render.render_email(facts, MessageKind.CANCELLED, recipient).text
        assert "Reason: Closed. See https://salon.example\n" in text


LINKS = "Win at https://evil.example/x or www.evil.example, evil.example or me@evil.example"


@pytest.mark.parametrize("recipient", Recipient)
@pytest.mark.parametrize("kind", MessageKind)
def test_nothing_that_a_customers_side_wrote_is_a_link(
    kind: MessageKind, recipient: Recipient
) -> None:
    facts = full_facts(contact_name=LINKS, notes=LINKS, cancellation_reason=LINKS)
    for said in _said(facts, kind, recipient):
        for link in ("https://evil", "www.", "evil.example", "@evil"):
            assert link not in said


# ---------------------------------------------------------------- text messages


@pytest.mark.parametrize(("kind", "recipient", "locale"), EVERY)
def test_a_text_message_is_short(
    kind: MessageKind, recipient: Recipient, locale: str | None
) -> None:
    """One or two segments without its link, whatever the names; in the GSM alphabet where the names
    are.
    """
    long = "Dr. Ángela Fernández-Œuvrard de la Sainte-Trinité " * 4
    facts = some_facts(
        locale=locale, organization_name=long, provider_name=long, service_name=long, contact_name=long,
        time_zone="America/Argentina/ComodRivadavia", starts_at=utc(2027, 9, 29, 15), ends_at=utc(2027, 9, 29, 16),
    )  # fmt: skip
    sms = render.render_sms(facts, kind, recipient)
    assert sms.segments <= 2, sms.text
    assert sms.text.isprintable()
    ordinary = render.render_sms(some_facts(locale=locale), kind, recipient)
    assert ordinary.segments == 1, ordinary.text


def test_a_text_message_carries_its_link_while_something_can_be_changed() -> None:
    facts = full_facts()
    assert facts.manage_url is not None
    for kind in (MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.DAY_BEFORE):
        assert render.render_sms(facts, kind, CUSTOMER).text.endswith(facts.manage_url)
    for kind in (MessageKind.CANCELLED, MessageKind.HOUR_BEFORE):
        assert "https://" not in render.render_sms(facts, kind, CUSTOMER).text


# ---------------------------------------------------------------- examples, whole


MOVED = """\
Guten Tag Grace Hopper,

Ihr Termin wurde verschoben. Bitte merken Sie sich die neue Zeit. Die alte gilt nicht mehr.

Haircut bei Ada Lovelace
Sonntag, 29. März 2026
09:00 – 10:00 (Berlin, GMT+2)

Bisher: Fr., 27. März, 10:00 (Berlin, GMT+1)

Termin ansehen: https://b.example/m/1

--\N{SPACE}
Salon Müller
Sie erhalten diese Nachricht wegen eines Termins bei Salon Müller.
"""


def _messages() -> Iterator[tuple[str, str, str]]:
    moved = some_facts(
        locale="de", previous_starts_at=utc(2026, 3, 27, 9), manage_url="https://b.example/m/1"
    )
    yield (
        render.render_email(moved, MessageKind.RESCHEDULED, CUSTOMER).text,
        MOVED,
        "moved, German",
    )
    yield (
        render.render_sms(
            some_facts(locale="fr", now=utc(2026, 3, 29, 6)), MessageKind.HOUR_BEFORE, CUSTOMER
        ).text,
        (
            "Salon Müller: Rappel : Haircut avec Ada Lovelace dans 1 heure, dim. 29 mars, 09:00 "
            "(Berlin, UTC+2)."
        ),
        "an hour before, French",
    )
    yield (
        render.render_email(some_facts(locale="es"), MessageKind.CANCELLED, PROVIDER).subject,
        "Cita cancelada: Haircut con Grace Hopper, dom, 29 mar, 9:00",
        "cancelled, Spanish",
    )
    yield (
        render.render_sms(some_facts(), MessageKind.BOOKED, PROVIDER).text,
        (
            "Salon Müller: New booking: Haircut with Grace Hopper, Sun, Mar 29, 9:00 AM (Berlin, "
            "GMT+2)."
        ),
        "booked, English",
    )


@pytest.mark.parametrize(
    ("said", "expected", "which"), list(_messages()), ids=lambda value: value[:20]
)
def test_whole_messages_read_well(said: str, expected: str, which: str) -> None:
    assert said == expected, which
