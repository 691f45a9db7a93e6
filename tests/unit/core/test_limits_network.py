"""A caller's network: entries of our own proxies are used, those before them are not."""

from __future__ import annotations

import pytest

from app.core.network import forwarded_address, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_one_line_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("values", "hops", "address"),
    [
        (["192.0.2.7"], 0, None),
        (["192.0.2.7"], 1, "192.0.2.7"),
        (["10.0.0.1, 192.0.2.7"], 1, "192.0.2.7"),
        (["6.6.6.6, 192.0.2.7, 10.0.0.1"], 2, "192.0.2.7"),
        (["6.6.6.6", "192.0.2.7", "10.0.0.1"], 2, "192.0.2.7"),
        (["192.0.2.7"], 2, None),
        ([], 1, None),
        ([""], 1, None),
        (["192.0.2.7:4711"], 1, "192.0.2.7"),
        (["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        (["[2001:db8::1]"], 1, "2001:db8::1"),
        (["2001:DB8::1"], 1, "2001:db8::1"),
        (["192.0.2.7, unknown"], 1, None),
        (["192.0.2.7, <script>"], 1, None),
    ],
)
def test_the_callers_address_is_counted_from_the_right(
    values: list[str], hops: int, address: str | None
) -> None:
    assert forwarded_address(values, hops) == address
