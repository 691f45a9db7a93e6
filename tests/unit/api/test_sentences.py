"""Refusals' sentences: each has a translation with the same placeholders; and how the language is
chosen.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter
from typing import Final

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import app
from app.api.transport.negotiation import language_of
from app.api.words import sentences
from app.api.words.sentences import translate, translations
from app.core.appointment import AppointmentStatus
from app.core.message_rules import SkipReason
from app.core.refusals import (
    InvalidTransition,
    SlotUnavailable,
    TemporarilyUnavailable,
)
from app.core.sentences import LANGUAGES, Sentence, say
from app.core.slots import UnbookableReason
from app.core.validation import valid_time_zone

SOURCES: Final = sorted(Path(app.__file__).parent.rglob("*.py"))
TRANSLATED: Final = [language for language in LANGUAGES if language != "en"]


def templates_of(source: str) -> set[str]:
    """Every template that this source says. One that is no literal is a reason why a message is
    not sent.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
            (template,) = node.args
            if isinstance(template, ast.Constant):
                found.add(str(template.value))
            else:
                assert ast.unparse(template) == "reason.value"
                found |= {reason.value for reason in SkipReason}
    return found


SAID: Final = set().union(*(templates_of(path.read_text("utf-8")) for path in SOURCES))


def places(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(template) if name is not None)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_has_a_translation_and_no_other_has(language: str) -> None:
    assert len(SAID) > 100
    assert set(translations()[language]) == SAID


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_values_of_its_template(language: str) -> None:
    for template, translation in translations()[language].items():
        assert places(translation) == places(template), translation
        assert translation.strip() == translation != template, translation
        assert translation.endswith(".") == template.endswith("."), translation


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_whole_and_names_each_template_once(language: str) -> None:
    path = Path(sentences.__file__).parent / f"{language}.po"
    text = path.read_text("utf-8")
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    assert str(catalogue.locale) == language
    assert not any(message.fuzzy for message in catalogue if message.id)
    assert len(re.findall(r"^msgid ", text, re.MULTILINE)) == len(SAID) + 1


def test_every_use_of_say_is_one_that_is_found() -> None:
    """It is called by its own name and goes by no other; nothing else makes a Sentence."""
    for path in SOURCES:
        if path.match("core/sentences.py"):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        called = [node.func for node in nodes if isinstance(node, ast.Call)]
        named = [node for node in nodes if isinstance(node, ast.Name) and node.id == "say"]
        assert all(name in called for name in named), path
        assert "Sentence" not in {ast.unparse(each).split(".")[-1] for each in called}, path
        imports = [
            alias
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module == "app.core.sentences"
            for alias in node.names
        ]
        assert not any(alias.asname for alias in imports), path


# ---------------------------------------------------------------- values in each language


def in_all(sentence: object) -> list[str]:
    assert isinstance(sentence, Sentence)
    return [translate(sentence, language) for language in LANGUAGES]


def test_reasons_are_listed_in_the_language() -> None:
    refusal = SlotUnavailable(
        reasons=(UnbookableReason.IN_THE_PAST, UnbookableReason.BREAK, UnbookableReason.BUFFER)
    )
    assert in_all(refusal.message) == [
        (
            "This time can't be booked: it is in the past, the provider has a break then, and it is "
            "too close to another appointment."
        ),
        (
            "Dieser Zeitpunkt kann nicht gebucht werden: er liegt in der Vergangenheit, dann ist "
            "Pause und er liegt zu nah an einem anderen Termin."
        ),
        (
            "Ce créneau ne peut pas être réservé : il est déjà passé, c’est l’heure de la pause et "
            "il est trop proche d’un autre rendez-vous."
        ),
        (
            "Este horario no se puede reservar: ya ha pasado, coincide con un descanso y está "
            "demasiado cerca de otra cita."
        ),
    ]


def test_one_second_is_singular() -> None:
    assert in_all(TemporarilyUnavailable(retry_after_seconds=1).message) == [
        "There is too much to do right now. Try again in 1 second.",
        "Im Moment ist zu viel los. Bitte versuchen Sie es erneut. Wartezeit: 1 Sekunde.",
        "Le service est très sollicité en ce moment. Réessayez dans 1\u00a0seconde.",
        "Hay demasiada actividad en este momento. Vuelva a intentarlo en 1 segundo.",
    ]


def test_numbers_are_grouped_as_the_language_groups_them() -> None:
    refused = say("This must be from {least} to {most}.", least=0, most=1_584_000)
    assert in_all(refused) == [
        "This must be from 0 to 1,584,000.",
        "Dieser Wert muss zwischen 0 und 1.584.000 liegen.",
        "Cette valeur doit être comprise entre 0 et 1\u202f584\u202f000.",
        "Este valor debe estar entre 0 y 1.584.000.",
    ]


def test_a_part_that_is_a_sentence_is_translated() -> None:
    refusal = InvalidTransition(
        from_status=AppointmentStatus.CANCELLED, to_status=AppointmentStatus.NO_SHOW
    )
    english, german, *_ = in_all(refusal.message)
    assert english == "A cancelled appointment can't become no show. Book a new one."
    assert german == (
        "Ein abgesagter Termin kann nicht den Status „nicht erschienen“ erhalten. "
        "Buchen Sie einen neuen."
    )


@given(name=st.text(alphabet="{}ab!.[0]", min_size=1, max_size=20))
def test_a_value_is_text_whatever_it_looks_like(name: str) -> None:
    refused = valid_time_zone("time_zone", name)
    assert not isinstance(refused, str)
    for said in in_all(refused.message):
        assert name in said


# ---------------------------------------------------------------- which language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr"),
        ("en;q=0.5, es-419;q=0.7", "es"),
        ("it", "en"),
        ("it, es;q=0.3", "es"),
        ("*", "en"),
        ("en;q=0, *", "de"),
        ("de;q=0", "en"),
        ("de;q=nan, fr;q=0.1", "fr"),
        ("de;q=much, fr;q=0.1", "fr"),
        ("german", "en"),
        ("it," * 400 + "de", "en"),
    ],
)
def test_the_caller_s_best_language_is_spoken(header: str | None, language: str) -> None:
    assert language_of(header) == language


@given(header=st.text(max_size=200))
def test_any_header_gets_a_language(header: str) -> None:
    assert language_of(header) in LANGUAGES
