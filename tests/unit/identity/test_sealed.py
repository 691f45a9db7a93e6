"""Secrets are encrypted for the database, with keys that rotate."""

from __future__ import annotations

from app.identity.sealed import Seal

OLD = {"old": "an old secret of the tests of at least 32 bytes"}
NEW = {"new": "a new secret of the tests of at least 32 bytes!"}
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def test_what_is_sealed_can_be_opened_and_does_not_show_the_text() -> None:
    seal = Seal(OLD)
    sealed = seal.close(SECRET)
    assert SECRET not in sealed
    assert seal.open(sealed) == SECRET
    assert seal.close(SECRET) != sealed, "the same text is not told by its cipher"


def test_a_new_key_opens_nothing_of_an_old_one_unless_that_is_kept_and_then_seals_again() -> None:
    sealed = Seal(OLD).close(SECRET)
    assert Seal(NEW).open(sealed) is None
    both = Seal(NEW | OLD)
    assert both.open(sealed) == SECRET
    assert not both.is_current(sealed)
    again = both.close(SECRET)
    assert both.is_current(again)
    assert Seal(NEW).open(again) == SECRET


def test_what_was_changed_is_not_opened() -> None:
    seal = Seal(OLD)
    sealed = seal.close(SECRET)
    for broken in ("", "x", sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BB"), sealed[1:]):
        assert seal.open(broken) is None
        assert not seal.is_current(broken)
