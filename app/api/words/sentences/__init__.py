"""The sentences of refusals in other languages: a gettext catalogue for each, by the English
templates.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from babel.messages.pofile import read_po

from app.core.sentences import DEFAULT_LANGUAGE, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.sentences import Sentence

_CATALOGUES: Final = Path(__file__).parent


def translate(sentence: Sentence, language: str) -> str:
    """The sentence in one of `LANGUAGES`."""
    if language == DEFAULT_LANGUAGE:
        return str(sentence)
    return sentence.translated(language, translations()[language])


@cache
def translations() -> Mapping[str, Mapping[str, str]]:
    """Template → its translation, in each of `LANGUAGES` but English."""
    return {language: _read(language) for language in LANGUAGES if language != DEFAULT_LANGUAGE}


def _read(language: str) -> Mapping[str, str]:
    with (_CATALOGUES / f"{language}.po").open("rb") as file:
        return {
            str(message.id): str(message.string)
            for message in read_po(file, locale=language, abort_invalid=True)
            if message.id
        }
