"""Sentences for people: in English until the API's edge, where they become the caller's language.

A sentence keeps its template and its values, so that it can be said in another language later. To
everything else it is an English `str`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from babel.lists import format_list
from babel.numbers import format_decimal
from babel.units import format_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "de", "fr", "es")
"""Those that the program writes, in refusals and in messages."""

DEFAULT_LANGUAGE: Final = "en"


@dataclass(frozen=True, slots=True)
class Duration:
    """A whole number of one unit, "1 second" or "30 minutes"."""

    count: int
    unit: Literal["second", "minute"]


class Sentence(str):
    """A sentence, or a part of one, in English. Only `say` makes them."""

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, Value]

    def translated(self, language: str, translations: Mapping[str, str]) -> str:
        """The sentence in one of `LANGUAGES`, by that language's translations of templates; what
        they lack stays English.
        """
        template = translations.get(self.template, self.template)
        return _spoken(template, self.values, language, translations)


Value: TypeAlias = str | int | Duration | tuple[Sentence, ...]
"""What a template's place may hold: text as it is, a number, a duration, parts that are listed."""


def say(template: str, /, **values: Value) -> Sentence:
    """The sentence that a template makes with values for its `{places}`. Every template is a
    literal with a translation in `app/api/words/sentences`; a test finds those that lack one.
    """
    sentence = Sentence(_spoken(template, values, DEFAULT_LANGUAGE, {}))
    sentence.template, sentence.values = template, values
    return sentence


def _spoken(
    template: str,
    values: Mapping[str, Value],
    language: str,
    translations: Mapping[str, str],
) -> str:
    return template.format_map(
        {name: _worded(value, language, translations) for name, value in values.items()}
    )


def _worded(value: Value, language: str, translations: Mapping[str, str]) -> str:
    match value:
        case Sentence():
            return value.translated(language, translations)
        case str():
            return value
        case int():
            return format_decimal(value, locale=language)
        case Duration():
            return format_unit(value.count, f"duration-{value.unit}", "long", locale=language)
        case _:
            parts = [part.translated(language, translations) for part in value]
            return format_list(parts, "standard", locale=language)
