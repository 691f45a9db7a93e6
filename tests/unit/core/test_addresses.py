"""Addresses in the one form in which mail travels and mailboxes are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.addresses import ascii_domain, mailbox, same_mailbox


@pytest.mark.parametrize(
    ("domain", "converted"),
    [
        ("faß.de", "xn--fa-hia.de"),
        ("FAß.de", "xn--fa-hia.de"),
        ("βόλος.gr", "xn--nxasmm1c.gr"),
        ("xn--fa-hia.de", "xn--fa-hia.de"),
        ("müller.example", "xn--mller-kva.example"),
        ("日本。jp", "xn--wgv71a.jp"),
        ("fass.de", "fass.de"),
        ("Salon_1.EXAMPLE", "Salon_1.EXAMPLE"),
        ("localhost", "localhost"),
        ("::1", "::1"),
        ("mül ler.example", None),
        ("\ud800.example", None),
        ("ü" * 64 + ".example", None),
    ],
)
def test_domains_are_converted_by_todays_rules_and_ascii_stays(
    domain: str, converted: str | None
) -> None:
    assert ascii_domain(domain) == converted


def test_a_mailbox_in_a_calendar_is_a_uri() -> None:
    """Letters beyond ASCII, and those that mean something in a URI, are percent-encoded."""
    for address, uri in (
        ("grace.o'hara+cuts@Example.org", "mailto:grace.o'hara+cuts@Example.org"),
        ("gräce@faß.de", "mailto:gr%C3%A4ce@xn--fa-hia.de"),
        ("a&b?c=%d#e/f@example.org", "mailto:a%26b%3Fc%3D%25d%23e%2Ff@example.org"),
    ):
        found = mailbox(address)
        assert found is not None
        assert found.uri == uri


@given(st.text(alphabet=st.characters(), max_size=80) | st.emails())
def test_an_address_becomes_one_in_ascii_or_none(text: str) -> None:
    found = mailbox(text)
    if found is not None:
        assert found.domain.isascii()
        assert found.uri.isascii()
        assert not {" ", "\r", "\n", "<", ">", ","} & set(found.address)
        if text.isascii():
            assert found.address == text


def test_spellings_of_one_domain_are_one_mailbox_and_other_domains_are_not() -> None:
    assert same_mailbox("Kim@faß.de") == same_mailbox("kim@XN--FA-HIA.de")
    assert same_mailbox("kim@faß.de") != same_mailbox("kim@fass.de")
    assert same_mailbox("kim@βόλος.gr") != same_mailbox("kim@βόλοσ.gr")
