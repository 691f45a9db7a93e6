"""An organization's own templates: used if they work, reported if they don't, and always harmless."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify import overrides, render
from app.notify.message import MessageKind, Recipient, TemplateOverride
from app.notify.overrides import OwnWords
from tests.unit.notify.facts import full_facts, some_facts

CUSTOMER = Recipient.CUSTOMER


def own(**parts: str) -> OwnWords:
    return asyncio.run(overrides.prepare(TemplateOverride(**parts)))


def test_own_words_take_the_place_of_the_built_in_ones() -> None:
    words = own(
        subject="{{ organization }}: see you {{ date_brief }}",
        text="Dear {{ contact | upper }}{% if price %}, bring {{ price }}{% endif %}",
        html="<p>Dear <b>{{ contact }}</b>, {{ when }}{{ reason }}</p>",
        sms="Hi {{ contact }}",
    )
    assert words.problem is None
    facts = full_facts(contact_name="Grace <i>Hopper")
    email = render.render_email(facts, MessageKind.BOOKED, CUSTOMER, words)
    assert email.problem is None
    assert email.subject == "Salon Müller: see you Sun, Mar 29"
    assert email.text == "Dear GRACE <I>HOPPER, bring €49.50"
    assert email.html == (
        "<p>Dear <b>Grace &lt;i&gt;Hopper</b>, Sunday, March 29, 2026, 9:00 AM – 10:00 AM "
        "(Berlin, GMT+2)</p>"
    )
    assert (
        render.render_sms(some_facts(), MessageKind.BOOKED, CUSTOMER, words).text
        == "Hi Grace Hopper"
    )


def test_a_part_left_out_is_the_built_in_one() -> None:
    built_in = render.render_email(some_facts(), MessageKind.BOOKED, CUSTOMER)
    mine = render.render_email(some_facts(), MessageKind.BOOKED, CUSTOMER, own(subject="Mine"))
    assert (mine.subject, mine.text, mine.html) == ("Mine", built_in.text, built_in.html)


BROKEN = {
    "syntax": ("line\n{{ contact ", "TemplateSyntaxError"),
    "unknown word": ("{{ password }}", "unknown: password"),
    "unknown word in a branch not taken": (
        "{% if cancelled %}{{ secret }}{% endif %}x",
        "unknown: secret",
    ),
    "a loop": (
        "{% for i in contact %}{% for j in contact %}x{% endfor %}{% endfor %}",
        "For is not allowed",
    ),
    "a call": ("{{ range(10) }}", "Call is not allowed"),
    "python's insides": ("{{ contact.__class__.__mro__ }}", "Getattr is not allowed"),
    "an index": ("{{ contact['__class__'] }}", "Getitem is not allowed"),
    "repetition": ("{{ contact * 1000000000 }}", "Mul is not allowed"),
    "a power": ("{{ 10 ** 10 ** 10 }}", "Pow is not allowed"),
    "doubling": ("{% set a = contact ~ contact %}{{ a }}", "Assign is not allowed"),
    "another file": ("{% include 'en.j2' %}", "Include is not allowed"),
    "a heavy filter": ("{{ contact | center(1000000000) }}", "the filter 'center'"),
    "a filter that trusts": ("{{ contact | safe }}", "the filter 'safe'"),
    "a macro": ("{% macro m() %}{{ m() }}{% endmacro %}", "Macro is not allowed"),
    "a wrong comparison": ("{% if contact < 5 %}x{% endif %}", "TypeError"),
    "a wrong argument": ("{{ contact | truncate('x') }}", "TypeError"),
    "nesting": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
    "nested blocks": ("{% if contact %}" * 150 + "x" + "{% endif %}" * 150, ""),
    "nothing": ("{% if cancelled %}x{% endif %} ", "it says nothing"),
    "too many values": ("{{time}}" * 8_000, "more than 1,000 values"),
    "a long expression": ("{{ " + " ~ ".join(["time"] * 2_000) + " }}", "more than 1,000 values"),
    "filters of filters": ("{{ time" + " | upper" * 100 + " }}", "more than 16 deep"),
    "far too many filters": ("{{ time" + " | upper" * 2_000 + " }}", ""),
    "conditions in conditions": (
        "{% if contact %}" * 20 + "x" + "{% endif %}" * 20,
        "more than 16 deep",
    ),
    "a global": ("{{ lipsum }}", "unknown: lipsum"),
    "growth": ("{{ notes or contact * 2 }}", "Mul is not allowed"),
    "far too much": ("x" * (overrides.MAX_SOURCE_CHARACTERS + 1), "longer than"),
}


@pytest.mark.parametrize(("source", "detail"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("part", ["subject", "text", "html", "sms"])
def test_a_broken_template_is_reported_and_the_built_in_one_used(
    part: str, source: str, detail: str
) -> None:
    words = own(**{part: source})
    message = (
        render.render_sms(some_facts(), MessageKind.BOOKED, CUSTOMER, words)
        if part == "sms"
        else render.render_email(some_facts(), MessageKind.BOOKED, CUSTOMER, words)
    )
    assert message.problem is not None
    assert message.problem.part == part
    assert detail in message.problem.detail
    assert "Grace" not in message.problem.detail
    assert (
        message.text
        == (render.render_sms if part == "sms" else render.render_email)(
            some_facts(), MessageKind.BOOKED, CUSTOMER
        ).text
    )


def test_one_broken_part_spoils_none_of_the_others() -> None:
    """A subject of theirs over a body of ours would read as nobody meant it."""
    email = render.render_email(
        some_facts(),
        MessageKind.BOOKED,
        CUSTOMER,
        own(subject="Mine", html="{{ nope }}"),
    )
    assert email.problem is not None
    assert email.subject == render.render_email(some_facts(), MessageKind.BOOKED, CUSTOMER).subject


def test_a_template_is_checked_before_it_is_kept() -> None:
    problem = own(subject="fine", text="one\ntwo {% if %}").problem
    assert problem is not None
    assert (problem.part, problem.line) == ("text", 2)


def test_a_subject_stays_on_its_line() -> None:
    email = render.render_email(
        some_facts(),
        MessageKind.BOOKED,
        CUSTOMER,
        own(subject="a\r\nBcc: x@example.org\n{{ contact }}"),
    )
    assert email.subject == "a Bcc: x@example.org Grace Hopper"


def test_what_a_newsletter_needs_is_within_the_bounds() -> None:
    line = "<p>{% if price %}{{ service | default('Visit') | title | trim }}: {{ price }}{% endif %}</p>"
    assert own(html=line * 60).problem is None


def test_environments_know_no_globals() -> None:
    assert overrides._environment(autoescape=True).globals == {}
    assert render._environment().globals == {}


def test_a_message_does_not_grow_without_end() -> None:
    facts = full_facts(notes="x" * 2_000)
    email = render.render_email(
        facts, MessageKind.BOOKED, Recipient.PROVIDER, own(text="{{notes}}" * 400)
    )
    assert email.problem is not None
    assert "longer than 262,144" in email.problem.detail


async def test_what_takes_too_long_is_a_problem_and_the_loop_goes_on() -> None:
    words = TemplateOverride(text="{{ time }}" * 400)
    prepared = await overrides.prepare(words, within_seconds=0)
    assert prepared.problem is not None
    assert prepared.problem.detail == "it takes too long to compile"
    assert (await overrides.prepare(words)).problem is None


async def test_templates_are_compiled_outside_of_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled_in: list[threading.Thread] = []
    compiled = overrides._compiled

    def observed(part: str, source: str) -> object:
        compiled_in.append(threading.current_thread())
        return compiled(part, source)

    monkeypatch.setattr(overrides, "_compiled", observed)
    await overrides.prepare(TemplateOverride(subject="a", text="b"))
    assert len(compiled_in) == 2
    assert threading.current_thread() not in compiled_in


def test_a_text_message_has_a_limit() -> None:
    sms = render.render_sms(
        some_facts(),
        MessageKind.BOOKED,
        CUSTOMER,
        own(sms="x" * (overrides.MAX_SMS_CHARACTERS + 1)),
    )
    assert sms.problem is not None


@given(st.text(alphabet="{}%()[]'\"|~+*.- \nabcif endorset0123456789,=<>contact", max_size=120))
def test_whatever_the_template_a_message_comes_out(source: str) -> None:
    email = render.render_email(
        some_facts(),
        MessageKind.BOOKED,
        CUSTOMER,
        own(subject=source, text=source, html=source),
    )
    assert email.text
    assert "Haircut with Ada Lovelace" in email.ics.decode()
