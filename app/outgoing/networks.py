"""Which network addresses may be connected to: the public ones, and the networks that the settings
list.

The tables follow IANA's registries of special-purpose addresses (RFC 6890; as of 2026). They are
spelled out because `ipaddress.is_global` differs between releases of Python and calls multicast
global.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NOT_PUBLIC_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host: Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's metadata and agent, a public address by its looks
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation, as 198.51.100.0/24 and 203.0.113.0/24
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
"""All of the global unicast addresses that were ever given out (RFC 4291, section 2.4). Loopback,
unique local, link-local, site-local, multicast and IPv4-compatible addresses lie outside.
"""

_NOT_PUBLIC_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: ORCHID, and Teredo, which embeds IPv4
        "2001:db8::/32",  # documentation, as 3fff::/20
        "2002::/16",  # 6to4, which embeds IPv4
        "3fff::/20",
    )
)

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv6-only network with DNS64 reaches IPv4 addresses so, in the last 32 bits."""


class Networks:
    """The networks that the settings list, in addition to the public ones."""

    __slots__ = ("_listed",)

    def __init__(self, listed: Sequence[Network] = ()) -> None:
        self._listed = tuple(listed)

    @property
    def has_loopback(self) -> bool:
        return any(network.is_loopback for network in self._listed)

    def may_reach(self, address: Address) -> bool:
        """Whether a connection to it is allowed. IPv4 addresses within IPv6 ones are judged as
        such.
        """
        inner = _embedded(address)
        return self._lists(address) or self._lists(inner) or _is_public(inner)

    def may_reach_unprotected(self, address: Address) -> bool:
        """Whether plain http is allowed: only to this machine, and only where that is listed."""
        inner = _embedded(address)
        return inner.is_loopback and (self._lists(address) or self._lists(inner))

    def _lists(self, address: Address) -> bool:
        return any(address in network for network in self._listed)


def address_of(text: str) -> Address | None:
    """The address that the text spells in the usual form; None for names and unusual forms.

    Addresses with a zone id (fe80::1%eth0) are refused: they are never public.
    """
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _NOT_PUBLIC_IPV6)


def _embedded(address: Address) -> Address:
    """The IPv4 address that a connection to this IPv6 address leads to; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
