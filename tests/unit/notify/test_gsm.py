"""What a text message costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify import gsm


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),  # the escape moves to the second segment whole
        ("a" * 152 + "€" + "a" * 152, 3),  # … and so one letter less fits than the sum says
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments_are_counted_as_billed(text: str, count: int) -> None:
    assert gsm.segments(text) == count


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("9:00\u202fAM – “Zoë”…", '9:00 AM - "Zoe"...'),
        ("São Paulo, Łódź, Reykjavík", "Sao Paulo, Lodz, Reykjavik"),
        ("Äpfel, Öl, Größe, é, à, ñ, €", "Äpfel, Öl, Größe, é, à, ñ, €"),
        ("sam. 29 août, œuvre", "sam. 29 aout, oeuvre"),
    ],
)
def test_latin_text_fits_the_alphabet(typed: str, sent: str) -> None:
    assert gsm.fold(typed) == sent
    assert gsm.is_gsm(sent)


def test_what_cannot_fit_keeps_its_accents() -> None:
    assert gsm.fold("Иван, août") == "Иван, août"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_folding_never_costs_more(text: str) -> None:
    assert not gsm.is_gsm(text) or gsm.is_gsm(gsm.fold(text))
    assert gsm.fold(gsm.fold(text)) == gsm.fold(text)
