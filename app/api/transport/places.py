"""How many things each caller holds open at the same time, counted in this process."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from sys import getsizeof

from app.weighted_cache import remembered

# RFC 6177: what a subscriber gets of IPv6, at least. Each of its addresses is theirs.
_SUBSCRIBER_BITS = 64


class Places:
    """At most this many for each holder; 0 is no limit."""

    __slots__ = ("_most", "_taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[Hashable, int] = {}

    @contextmanager
    def place(self, holder: Hashable | None) -> Iterator[bool]:
        """Whether the holder gets a place, which is theirs until the block ends. None has no
        limit.
        """
        if holder is None or not self._most:
            yield True
            return
        taken = self._taken.get(holder, 0)
        if taken >= self._most:
            yield False
            return
        self._taken[holder] = taken + 1
        try:
            yield True
        finally:
            self._taken[holder] -= 1
            if not self._taken[holder]:
                del self._taken[holder]


@remembered(
    "networks",
    most_bytes=2 * 1024 * 1024,
    weigh=lambda arguments, network: getsizeof(arguments[0]) + getsizeof(network),
)
def network_of(address: str | None) -> str | None:
    """The holder behind an address: an IPv6 subscriber has the whole network around it."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed), _SUBSCRIBER_BITS), strict=False))
    return str(parsed)
