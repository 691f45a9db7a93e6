"""Where a request comes from, as far as limits care. Its rule: one household, one network."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_IPV6_HOST_BITS: Final = 64
"""Every line has at least a /64 of its own (RFC 6177), and may use a new address of it for each
request.
"""

_LONGEST_ADDRESS: Final = 64


def network_of(address: str) -> str:
    """The name under which this address is counted: an IPv4 address, the /64 of an IPv6 one, else
    the text itself.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST_ADDRESS]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS)}/{_IPV6_HOST_BITS}"
    return str(parsed)


def forwarded_address(forwarded: Sequence[str], hops: int) -> str | None:
    """The caller's address, by what `hops` proxies of ours have appended; None where they can't
    have.

    `forwarded` are the values of X-Forwarded-For, in order. Each proxy appends the
    address of its client, so ours are the last ones, and the caller wrote those before them.
    """
    entries = [entry.strip() for value in forwarded for entry in value.split(",")]
    if not 0 < hops <= len(entries):
        return None
    return _address(entries[-hops])


def _address(entry: str) -> str | None:
    """Some proxies append the port: 192.0.2.1:4711, [2001:db8::1]:4711."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ip_address(entry))
    except ValueError:
        return None
