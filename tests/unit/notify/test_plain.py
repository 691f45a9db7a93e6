"""Text from strangers becomes one line."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.notify import plain

ANYTHING = st.text(alphabet=st.characters(), max_size=300)  # lone surrogates included


@given(ANYTHING)
@example("a\r\nBcc: evil@example.org")
@example("\u2028\u2029\x85\x00\ud800")
@example("x" * 500)
def test_a_line_is_one_line_that_can_be_encoded(text: str) -> None:
    line = plain.one_line(text)
    assert len(line) <= 200
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in line)
    line.encode()


@given(ANYTHING)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert plain.one_line(plain.one_line(text)) == plain.one_line(text)


def test_names_keep_their_letters() -> None:
    for name in ("Zoë Müller-Lüdenscheidt", "नेपाल", "محمد", "👩‍👩‍👧", 'O’Brien, Jr. "Bob" <b>'):
        assert plain.one_line(name) == name


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Zoë Müller-Lüdenscheidt", "Zoë Müller-Lüdenscheidt"),
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("At 10.30, room 3.5, Dr. No", "At 10.30, room 3.5, Dr. No"),
        ("https://evil.example/x", "evil. example/x"),
        ("www.evil.example", "evil. example"),
        ("htthttp://p://evil.example", "evil. example"),
        ("evil。example", "evil。 example"),
        ("evil.\u200bexample", "evil. \u200bexample"),
        ("me@evil.example", "me evil. example"),
        ("mailto:me", "me"),
        ("javascript:alert(1)", "alert(1)"),
    ],
)
def test_links_fall_apart_and_names_do_not(typed: str, shown: str) -> None:
    assert plain.without_links(typed) == shown


@given(ANYTHING | st.text(alphabet="htps:/w.@eévil ", max_size=40))
def test_no_link_is_left(text: str) -> None:
    left = plain.without_links(text)
    assert "://" not in re.sub(r"(?<![A-Za-z0-9+.-])://", "", left)
    assert not re.search(r"\bwww\.|[a-z]\.[a-z]", left, re.IGNORECASE)


def test_text_cannot_be_turned_around() -> None:
    assert plain.one_line("abc\u202egnp.exe\u202c") == "abcgnp.exe"


def test_paragraphs_keep_their_breaks_but_no_holes() -> None:
    assert plain.paragraphs("one \t two\r\nthree\n\n\n\n\nfour\x00") == "one two\nthree\n\nfour"
    assert len(plain.paragraphs("word\n" * 5000)) <= 2000
