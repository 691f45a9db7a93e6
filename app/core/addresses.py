"""Addresses of mailboxes, in the one form in which mail travels and mailboxes are compared; and
phone numbers as people read them.

A domain with letters beyond ASCII is converted by IDNA 2008 with UTS #46, as registries do, by
email-validator. Python's own `idna` codec is IDNA 2003 and names other people's domains: it turns
`faß.de` into `fass.de`. Nothing else in the program converts domains. What is ASCII already stays
as it is, letter by letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import phonenumbers
from email_validator import EmailNotValidError, validate_email

# RFC 5322's dot-atom, with RFC 6531's letters of all alphabets. Quoted local parts are refused:
# nobody has one, and every one in the wild is an attempt at something.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
_LOCAL_PART: Final = re.compile(rf"(?=.{{1,64}}$){_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_IN_A_MAILTO: Final = "!$'*+"  # RFC 6068: of what a local part may hold, this needs no encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where mail goes: the local part as given, the domain in ASCII (A-labels)."""

    local_part: str
    domain: str

    @property
    def address(self) -> str:
        """For headers and the envelope. ASCII unless the local part is not (RFC 6531)."""
        return f"{self.local_part}@{self.domain}"

    @property
    def uri(self) -> str:
        """For calendars (RFC 6068). Always ASCII."""
        return f"mailto:{quote(self.local_part, safe=_IN_A_MAILTO)}@{self.domain}"


def phone_text(phone: str) -> str:
    """A number in E.164 form as people read it: +49 30 901820."""
    number = phonenumbers.parse(phone, None)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def mailbox(address: str) -> Mailbox | None:
    """The mailbox that an address names; None where it names none."""
    local_part, _, domain = address.rpartition("@")
    converted = ascii_domain(domain)
    if converted is None or not _DOMAIN.fullmatch(converted):
        return None
    if not _LOCAL_PART.fullmatch(local_part) or not local_part.isprintable():
        return None
    return Mailbox(local_part=local_part, domain=converted)


def ascii_domain(domain: str) -> str | None:
    """The name of a host as DNS knows it; None where a name beyond ASCII has no such form."""
    if domain.isascii():
        return domain
    try:
        checked = validate_email(
            f"postmaster@{domain}",
            check_deliverability=False,
            globally_deliverable=False,  # `müller.local` is a name, be it reachable or not
            test_environment=True,
        )
    except EmailNotValidError:
        return None
    return checked.ascii_domain


def same_mailbox(address: str) -> str:
    """One text for all spellings of an address that surely reach one mailbox: case makes no
    difference, nor whether the domain is written in its own letters or in A-labels.
    """
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{ascii_domain(domain) or domain}".casefold()
