"""The pages have the same texts in every language, with the same values filled in."""

from __future__ import annotations

import re

from app.core.sentences import LANGUAGES
from app.web.pages import HERE, STATIC

SOURCE = (STATIC / "words.js").read_text(encoding="utf-8")
BOOKS = {
    language: dict(re.findall(r'^    (\w+): "(.*)",$', body, re.MULTILINE))
    for language, body in re.findall(
        r"^  (\w\w): \{\n(.*?)^  \},$", SOURCE, re.MULTILINE | re.DOTALL
    )
}
SCRIPTS = "".join(
    path.read_text(encoding="utf-8") for path in STATIC.glob("*.js") if path.name != "words.js"
)
PAGES = "".join(
    (HERE / name).read_text(encoding="utf-8") for name in ("booking.html", "manage.html")
)


def test_the_pages_speak_the_languages_of_the_messages() -> None:
    assert BOOKS.keys() == set(LANGUAGES)


def test_every_language_has_the_same_words_with_the_same_values() -> None:
    english = BOOKS["en"]
    assert len(english) > 80
    for language, book in BOOKS.items():
        assert book.keys() == english.keys(), language
        for name, text in book.items():
            values = set(re.findall(r"\{(\w+)\}", text))
            assert values == set(re.findall(r"\{(\w+)\}", english[name])), (language, name)


def test_every_word_is_used_and_every_used_word_is_there() -> None:
    used = set(re.findall(r'data-t(?:-placeholder)?="(\w+)"', PAGES))
    used |= set(re.findall(r'\bt\((?:[^"()]*\? )?"(\w+)"', SCRIPTS))
    used |= set(re.findall(r'\bt\([^"()]*\? "\w+" : "(\w+)"', SCRIPTS))
    for counted in re.findall(r'\btn\("(\w+)"', SCRIPTS):
        used |= {f"{counted}_one", f"{counted}_other"}
    used |= {f"status_{status}" for status in ("CONFIRMED", "CANCELLED", "COMPLETED", "NO_SHOW")}
    assert used == BOOKS["en"].keys()
