"""Places: each holder has a number of them, and can take one again after giving it back."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from app.api.transport.places import Places, network_of


def test_a_holder_has_so_many_places_and_others_have_theirs() -> None:
    places = Places(2)
    with ExitStack() as stack:
        assert [stack.enter_context(places.place("a")) for _ in range(3)] == [True, True, False]
        assert stack.enter_context(places.place("b"))
    with places.place("a") as free:
        assert free
        assert places._taken == {"a": 1}
    assert places._taken == {}


def test_a_place_comes_back_when_its_holder_fails() -> None:
    places = Places(1)
    with pytest.raises(KeyError), places.place("a"):
        raise KeyError
    with places.place("a") as free:
        assert free


@pytest.mark.parametrize(("most", "holder"), [(1, None), (0, "a")])
def test_who_is_not_known_or_not_limited_is_not_counted(most: int, holder: str | None) -> None:
    places = Places(most)
    with ExitStack() as stack:
        assert all(stack.enter_context(places.place(holder)) for _ in range(5))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (None, None),
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("a socket", "a socket"),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
