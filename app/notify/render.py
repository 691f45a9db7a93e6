"""Facts into words. The built-in phrases of four languages, and an organization's own where it has
some that work.

Two steps, so that nothing is escaped twice or never: a phrasebook (`templates/<language>.j2`) makes
plain sentences, then a page (`templates/email.html.j2`, which escapes, or `email.txt.j2`) sets
them. The phrasebook never sees HTML.

Running these templates takes ten times as long as everything else that a message is made of. But
all they do with a word is to place it, or to ask whether there is one. So they run once for each
combination of words that there are, with a mark in the place of each word; the result is a layout,
which is filled for each message. Templates of organizations may do more with words, and run for
each message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from sys import getsizeof
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from markupsafe import escape

from app.core.addresses import phone_text
from app.core.message_rules import REMINDERS
from app.core.sentences import LANGUAGES
from app.notify import gsm, ics, overrides, plain, wording
from app.notify.message import (
    CalendarMethod,
    Channel,
    MessageFacts,
    MessageKind,
    OverrideProblem,
    PlaceFacts,
    Recipient,
    Rendered,
    RenderedEmail,
    RenderedSms,
)
from app.notify.overrides import OwnWords
from app.notify.quoted_printable import PlainText, Text, piece, quoted_printable
from app.notify.wording import Speech
from app.weighted_cache import remembered

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SMS_NAME_CHARACTERS: Final = (
    32  # so that a built-in text message without its link fits two segments, whatever the names
)
# The messages whose reader may want to act on them; an hour before there is nothing left to change.
_SMS_WITH_LINK: Final = frozenset(
    {
        MessageKind.BOOKED,
        MessageKind.RESCHEDULED,
        MessageKind.CORRECTED,
        MessageKind.DAY_BEFORE,
        MessageKind.BEFORE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phrases:
    """What a phrasebook says about one message: plain text, keyed by the names that the layouts
    use.
    """

    subject: str
    heading: str
    lead: str
    sms: str
    what: str
    what_session: str
    greeting: str
    view: str
    manage: str
    footer: str
    unsubscribe: str
    colon: str
    labels: MappingProxyType[str, str]


@cache
def _environment() -> Environment:
    """For our own templates, which need no sandbox; those of organizations have one."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html.j2"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.clear()
    return environment


@cache
def _templates() -> dict[str, Template]:
    """By name: asking the environment costs as much as a small template."""
    environment = _environment()
    return {name: environment.get_template(name) for name in environment.list_templates()}


def render(
    facts: MessageFacts,
    kind: MessageKind,
    recipient: Recipient,
    channel: Channel,
    own: OwnWords | None = None,
) -> Rendered:
    """The message in the recipient's language. Own words that break are not used; `problem` says
    why.
    """
    if channel is Channel.SMS:
        return render_sms(facts, kind, recipient, own)
    return render_email(facts, kind, recipient, own)


def render_email(
    facts: MessageFacts,
    kind: MessageKind,
    recipient: Recipient,
    own: OwnWords | None = None,
) -> RenderedEmail:
    speech = wording.negotiate(facts.locale)
    words = _words(facts, kind, recipient, speech)
    layout = _layout(Channel.EMAIL, Shape.of(words, kind))
    subject = plain.one_line(layout["subject"].filled(words))
    text: Text = _Filled(layout["text"], words)
    html: Text = _Filled(layout["html"], words)
    problem = None
    if own is not None:
        built_in = {"subject": subject, "text": str(text), "html": str(html)}
        parts, problem = _overridden(built_in, words, own)
        subject, text, html = parts["subject"], PlainText(parts["text"]), PlainText(parts["html"])
    part, method = b"", CalendarMethod.REQUEST
    if kind is not MessageKind.READDRESSED:
        event = "event" if facts.session is None else "session"
        part, method = ics.calendar_part(
            facts,
            kind,
            recipient,
            words,
            summary=layout[event].filled(words),
            description=layout[f"{event}_details"].filled(words),
        )
    return RenderedEmail(
        language=speech.language,
        subject=subject,
        text_part=text,
        html_part=html,
        ics=part,
        method=method,
        problem=problem,
    )


def render_sms(
    facts: MessageFacts,
    kind: MessageKind,
    recipient: Recipient,
    own: OwnWords | None = None,
) -> RenderedSms:
    speech = wording.negotiate(facts.locale)
    words = _words(facts, kind, recipient, speech, longest_name=_SMS_NAME_CHARACTERS)
    parts = {"sms": _layout(Channel.SMS, Shape.of(words, kind))["sms"].filled(words)}
    problem = None
    if own is not None:
        parts, problem = _overridden(parts, words, own)
    text = gsm.fold(parts["sms"].strip())
    return RenderedSms(
        language=speech.language, text=text, segments=gsm.segments(text), problem=problem
    )


def _overridden(
    parts: dict[str, str], words: overrides.Words, own: OwnWords
) -> tuple[dict[str, str], OverrideProblem | None]:
    applied = overrides.apply(own, parts, words)
    return (parts, applied) if isinstance(applied, OverrideProblem) else (applied, None)


def _contact_name(name: str) -> str:
    """What a stranger typed, free of links. A comma after it would meet that of the greeting."""
    return plain.one_line(plain.without_links(plain.one_line(name))).strip(" ,")


def _cleaned_place(place: PlaceFacts) -> PlaceFacts:
    return PlaceFacts(
        name=plain.one_line(place.name),
        address=place.address and plain.paragraphs(place.address),
        directions=place.directions and plain.paragraphs(place.directions),
    )


def _line(text: str | None) -> str | None:
    return plain.one_line(text) or None if text is not None else None


def _words(
    facts: MessageFacts,
    kind: MessageKind,
    recipient: Recipient,
    speech: Speech,
    *,
    longest_name: int | None = None,
) -> dict[str, str | bool | None]:
    """What templates may name, `overrides.WORDS`: words ready to show, or None. Names are on one
    line each, so that none can fake a line of its own, and at most `longest_name` characters; what
    a customer's side typed is free of links.
    """

    def short(name: str) -> str:
        return name if longest_name is None else plain.one_line(name, limit=longest_name)

    zone = wording.zone_of(facts.time_zone)
    when = wording.when(facts.starts_at, facts.ends_at, now=facts.now, zone=zone, speech=speech)
    to_provider = recipient is Recipient.PROVIDER
    cancelled = kind is MessageKind.CANCELLED
    moved_from = facts.previous_starts_at
    session = facts.session
    place = None if facts.place is None else _cleaned_place(facts.place)
    service = _line(facts.service_name)
    terms = None if to_provider or cancelled else facts.terms
    free_until = late_fee = None
    if terms is not None and terms.free_until is not None:
        free_until = wording.moment(terms.free_until, now=facts.now, zone=zone, speech=speech)
        late_fee = None if terms.late_fee is None else wording.money(terms.late_fee, speech)
    words: dict[str, str | bool | None] = {
        "cancelled": cancelled,
        "contact": short(_contact_name(facts.contact_name)),
        "contact_email": _line(facts.contact_email) if to_provider else None,
        "contact_phone": _line(facts.contact_phone) if to_provider else None,
        "address": None if place is None else place.address,
        "date": when.date,
        "date_brief": when.date_brief,
        "directions": None if place is None or to_provider else place.directions,
        "end_time": when.end_time,
        "fee": wording.money(facts.cancellation_fee, speech)
        if facts.cancellation_fee and cancelled
        else None,
        "free_until": None if terms is None or terms.is_late else free_until,
        "group": None,
        "handed_over": facts.is_handed_over,
        "hours": when.hours,
        "keeps_start": facts.keeps_start,
        "kind": kind.value,
        "language": speech.language,
        "location": None if place is None else place.where,
        "manage_link": facts.manage_url,
        "may_cancel": terms is not None and terms.may_cancel,
        "may_move": terms is not None and terms.may_move,
        "no_show_fee": wording.money(terms.no_show_fee, speech)
        if terms is not None and terms.no_show_fee is not None
        else None,
        "notes": plain.without_links(plain.paragraphs(facts.notes))
        if facts.notes and to_provider
        else None,
        "organization": short(plain.one_line(facts.organization_name)),
        "policy": None,
        "practice": None if to_provider else _practice(facts),
        "practice_email": facts.practice.email,
        "practice_link": facts.practice.url,
        "practice_phone": _phone(facts),
        "previous": wording.moment(moved_from, now=facts.now, zone=zone, speech=speech)
        if moved_from
        else None,
        "price": wording.money(facts.price, speech) if facts.price else None,
        "provider": short(plain.one_line(facts.provider_name).strip(" ,")),
        "reason": _reason(facts)
        if cancelled and (to_provider or facts.is_cancelled_by_practice)
        else None,
        "remaining": wording.remaining(facts.remaining, speech),
        "resized": facts.is_resized,
        "seats": None,
        "seats_only": session is not None and session.takes_place,
        "service": short(service) if service else None,
        "session": facts.is_about_session,
        "time": when.time,
        "to_provider": to_provider,
        "unsubscribe_link": facts.unsubscribe_url,
        "when": when.full,
        "when_brief": when.brief,
        "zone": when.zone,
    }
    said = _phrasebooks()[speech.language]
    if terms is not None:
        words["policy"] = str(said["policy"](free_until, late_fee, terms.is_late))
    if facts.seats is not None and not facts.is_about_session:
        words["seats"] = str(said["seats_phrase"](facts.seats))
    if session is not None and session.takes_place:
        words["group"] = str(said["group_phrase"](session.seats, session.bookings))
    if facts.is_about_session:
        # What an organization's own words may still name: a session has no one customer.
        words["contact"] = words["group"] or words["service"] or ""
    return words


def _reason(facts: MessageFacts) -> str | None:
    """Why it was cancelled; free of links unless the practice says so."""
    reason = facts.cancellation_reason and plain.paragraphs(facts.cancellation_reason)
    return plain.without_links(reason) if reason and not facts.is_cancelled_by_practice else reason


def _practice(facts: MessageFacts) -> str | None:
    """How to reach the practice, in one line."""
    practice = facts.practice
    ways = [way for way in (_phone(facts), practice.email, practice.url) if way]
    return ", ".join(ways) or None


def _phone(facts: MessageFacts) -> str | None:
    return None if facts.practice.phone is None else phone_text(facts.practice.phone)


# ---------------------------------------------------------------- layouts

_MARKS: Final = {name: f"\ue000{name}\ue001" for name in overrides.WORDS - {"kind", "language"}}
"""What stands in the place of each word in a layout, in characters that no template of ours has."""

_MARK: Final = re.compile("\ue000([a-z_]+)\ue001")
_NAMES: Final = tuple(sorted(overrides.WORDS))
_FLAGS: Final = frozenset({
    "cancelled", "handed_over", "keeps_start", "may_cancel", "may_move", "resized", "seats_only",
    "session", "to_provider",
})  # fmt: skip


class Shape(NamedTuple):
    """Which words a message has, by `_NAMES`. The templates ask no more of them."""

    kind: MessageKind
    language: str
    there_are: tuple[bool, ...]

    @classmethod
    def of(cls, words: overrides.Words, kind: MessageKind) -> Shape:
        return cls(kind, str(words["language"]), tuple(map(bool, map(words.__getitem__, _NAMES))))

    def words(self) -> dict[str, str | bool | None]:
        """With a mark in the place of each that is a text."""
        marked: dict[str, str | bool | None] = {
            name: is_there if name in _FLAGS else _MARKS[name] if is_there else ""
            for name, is_there in zip(_NAMES, self.there_are, strict=True)
            if name in _MARKS
        }
        return marked | {"kind": self.kind.value, "language": self.language}


class _Layout:
    """A text with places for words, which are escaped where it is HTML."""

    __slots__ = ("_encoded", "_escapes", "_names", "_pieces")

    def __init__(self, marked: str, *, is_encoded: bool = False, is_html: bool = False) -> None:
        self._escapes = is_html
        self._pieces = _MARK.split(marked)
        self._names = tuple(enumerate(self._pieces))[1::2]
        *before, last = self._pieces
        self._encoded = [*map(piece, before), quoted_printable(last or "\n")] if is_encoded else []

    def filled(self, words: overrides.Words) -> str:
        pieces = self._pieces.copy()
        for at, name in self._names:
            word = str(words[name])
            pieces[at] = escape(word) if self._escapes else word
        return "".join(pieces)

    def encoded(self, words: overrides.Words) -> bytes:
        """The filled text in quoted-printable. Only words are encoded each time, on lines of their
        own, and each once.
        """
        pieces, known = self._encoded.copy(), dict[str, bytes]()
        for at, name in self._names:
            word = known.get(name)
            if word is None:
                text = str(words[name])
                word = known[name] = piece(str(escape(text)) if self._escapes else text)
            pieces[at] = word
        return b"".join(pieces)

    @property
    def bytes(self) -> int:
        pieces, encoded = self._pieces, self._encoded
        return (
            sum(map(getsizeof, (self, pieces, self._names, encoded, *pieces, *encoded)))
            + len(self._names) * _PLACE_BYTES
        )


_PLACE_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class _Filled:
    """A layout, with the words for its places."""

    layout: _Layout
    words: overrides.Words

    def __str__(self) -> str:
        return self.layout.filled(self.words)

    def encoded(self) -> bytes:
        return self.layout.encoded(self.words)


@remembered(
    "layouts",
    most_bytes=8 * 1024 * 1024,
    weigh=lambda arguments, made: (
        getsizeof(arguments[1].there_are) + sum(each.bytes for each in made.values())
    ),
)
def _layout(channel: Channel, shape: Shape) -> Mapping[str, _Layout]:
    """The parts of a message of this shape: `sms`; or `subject`, `text` and `html` of an e-mail,
    and the names and details of the `event` in it, and of the `session` in its place.
    """
    said = _said_with(channel, shape.words())
    return {
        part: _Layout(marked, is_encoded=part in {"text", "html"}, is_html=part == "html")
        for part, marked in said.items()
    }


def _said_with(channel: Channel, words: overrides.Words) -> dict[str, str]:
    """What the templates make of these words, or of marks for them."""
    phrases = _phrases(words)
    link = words["manage_link"]
    if channel is Channel.SMS:
        said = f"{words['organization']}: {phrases.sms}"
        if link and words["kind"] in _SMS_WITH_LINK:
            said = f"{said} {phrases.manage}{phrases.colon} {link}"
        return {"sms": said}
    rows = _rows(words, phrases)
    setting = {**words, "phrase": phrases, "rows": rows}
    # A calendar is read long after it was sent, so it promises nothing.
    view = [(phrases.view, str(link))] if link else []
    return {
        "subject": phrases.subject,
        "text": _templates()["email.txt.j2"].render(setting).strip() + "\n",
        "html": _templates()["email.html.j2"].render(setting),
        "event": phrases.what,
        "event_details": _details([*rows, *view], phrases),
        "session": phrases.what_session,
        # It says nothing of the one booking that a message is about.
        "session_details": _details([*_rows_of_session(words, phrases), *view], phrases),
    }


def _details(rows: Sequence[tuple[str, str]], phrases: _Phrases) -> str:
    return "\n".join(f"{label}{phrases.colon} {value}" for label, value in rows)


def _phrases(words: overrides.Words) -> _Phrases:
    book = vars(_templates()[f"{words['language']}.j2"].make_module(dict(words)))
    kind = MessageKind(str(words["kind"]))
    kind_name = "reminder" if kind in REMINDERS else kind.value.lower()
    return _Phrases(
        subject=book[f"{kind_name}_subject"](),
        heading=book[f"{kind_name}_heading"](),
        lead=book[f"{kind_name}_lead"](),
        sms=book[f"{kind_name}_sms"](),
        what=book["what"](),
        what_session=book["what_session"](),
        greeting=book["greeting"],
        view=book["view"],
        manage=book["manage"],
        footer=book["footer"],
        unsubscribe=book["unsubscribe"],
        colon=book["colon"],
        labels=MappingProxyType({
            name.removeprefix("label_"): label
            for name, label in book.items()
            if name.startswith("label_")
        }),
    )  # fmt: skip


class CalendarWords:
    """The phrases of one language for calendars that hold many visits: the names that visits and
    sessions have in the calendar parts of mails, and the labels of their details.
    """

    def __init__(self, language: str) -> None:
        self._book = _phrasebooks()[language]

    def visit(
        self, service: str | None, *, contact: str | None, provider: str, seats: int | None
    ) -> str:
        """The name of a visit: for its provider, where `contact` is given, else for its customer.
        The names are cleaned.
        """
        name = self._book["visit_name"](
            _line(service),
            None if contact is None else _contact_name(contact),
            plain.one_line(provider),
            contact is not None,
            None if seats is None else self._book["seats_phrase"](seats),
        )
        return plain.one_line(str(name))

    def session(self, service: str | None, *, seats: int, bookings: int) -> str:
        """The name of a session, for its providers."""
        group = self._book["group_phrase"](seats, bookings)
        return plain.one_line(str(self._book["session_name"](_line(service), group)))

    def detail(self, label: str, value: str) -> str:
        """A detail with its label: `phone`, `email`, `reach` or `directions`."""
        return f"{self._book[f'label_{label}']}{self._book['colon']} {value}"


@cache
def _phrasebooks() -> dict[str, dict[str, Any]]:
    """By language, without words: for the phrases that are made of arguments only, and labels."""
    nothing: dict[str, object] = dict.fromkeys(overrides.WORDS)
    return {
        language: vars(_templates()[f"{language}.j2"].make_module(nothing))
        for language in LANGUAGES
    }


def _rows(words: overrides.Words, phrases: _Phrases) -> list[tuple[str, str]]:
    """The details under the time, each with its label; only those there are."""
    shown = [
        ("contact", words["contact"] if words["to_provider"] and not words["session"] else None),
        ("email", words["contact_email"]),
        ("phone", words["contact_phone"]),
        ("previous", words["previous"]),
        ("reason", words["reason"]),
        ("fee", words["fee"]),
        ("price", words["price"] if not words["cancelled"] else None),
        ("policy", words["policy"]),
        ("no_show", words["no_show_fee"]),
        ("notes", words["notes"]),
        ("place", words["location"]),
        ("directions", words["directions"] if not words["cancelled"] else None),
        ("reach", words["practice"]),
        ("group", words["group"]),
    ]
    return [(phrases.labels[name], str(value)) for name, value in shown if value]


def _rows_of_session(words: overrides.Words, phrases: _Phrases) -> list[tuple[str, str]]:
    """The details in a provider's event of a session; where it is has a property of its own."""
    return [(phrases.labels["group"], str(words["group"]))] if words["group"] else []
