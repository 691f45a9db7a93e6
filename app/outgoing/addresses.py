"""Web addresses as clients of the API write them, checked without asking DNS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from app.core.sentences import Sentence, say
from app.outgoing.networks import address_of

if TYPE_CHECKING:
    from app.outgoing.networks import Networks

LONGEST_ADDRESS: Final = 2_000
"""Characters. Private addresses of calendars have some 200."""

_USUAL_PORTS: Final = {"https": 443, "http": 80}

_FIRST_FREE_PORT: Final = 1_024
"""Below are the ports of mail, DNS, SSH and the like, which nobody needs to be called on."""

_LAST_PORT: Final = 65_535

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"

_NAME: Final = re.compile(
    # Resolvers read a name whose last label is a number, decimal or hexadecimal, as an IPv4
    # address: 127.1, 0x7f000001, 2130706433.
    rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!(?:\d+|0x[0-9a-f]*)$){_LABEL}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a checked address leads to."""

    scheme: str
    host: str
    """A name in ASCII, or an IP address without brackets."""
    port: int
    path: str
    """With the query, encoded."""


def check_address(text: str, networks: Networks) -> Sentence | None:
    """Why this address can't be called, for the client who configures it; None where it can.

    What its name resolves to is judged when it is called.
    """
    target = target_of(text, networks)
    return target if isinstance(target, Sentence) else None


def target_of(text: str, networks: Networks) -> Target | Sentence:
    """The parts of an address, or why it can't be called."""
    no_address = say("This is not a web address. Write it like https://example.com.")
    if len(text) > LONGEST_ADDRESS or re.search(r"[\s\\<>\"]", text):
        return no_address
    try:
        url = httpx.URL(text)
        host, port = url.raw_host.decode("ascii").removesuffix("."), url.port
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return no_address
    literal = address_of(host)
    if url.scheme not in _USUAL_PORTS or (literal is None and not _NAME.fullmatch(host)):
        return no_address
    if url.userinfo:
        return say("An address that is called can't contain a user name or a password.")
    port = _USUAL_PORTS[url.scheme] if port is None else port
    if port not in _USUAL_PORTS.values() and not _FIRST_FREE_PORT <= port <= _LAST_PORT:
        return say("This port can't be called. Use 443, or one from 1024 on.")
    if url.scheme == "http":
        allowed = (
            networks.has_loopback if literal is None else networks.may_reach_unprotected(literal)
        )
        if not allowed:
            return say("Only addresses that begin with https:// can be called.")
    elif literal is not None and not networks.may_reach(literal):
        return say("This address is not public, so it can't be called.")
    return Target(scheme=url.scheme, host=host, port=port, path=url.raw_path.decode("ascii"))
