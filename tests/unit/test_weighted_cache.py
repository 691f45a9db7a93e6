"""A cache never holds more than its bound; the least recently used entries are evicted first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.weighted_cache import ENTRY_BYTES, WeightedCache, instances, remembered


def a_cache(
    most_entries: int, evicted: list[tuple[str, int]] | None = None
) -> WeightedCache[str, int]:
    """Its values are their own weight, in entries."""
    return WeightedCache(
        "a test's",
        most_bytes=most_entries * ENTRY_BYTES,
        weigh=lambda _key, value: (value - 1) * ENTRY_BYTES,
        evicted=None if evicted is None else lambda key, value: evicted.append((key, value)),
    )


def test_the_least_recently_used_entry_is_evicted_first() -> None:
    evicted: list[tuple[str, int]] = []
    cache = a_cache(3, evicted)
    for key in ("a", "b", "c"):
        cache.put(key, 1)
    assert cache.get("a") == 1
    cache.put("d", 1)
    assert evicted == [("b", 1)]
    assert [key for key in "abcd" if key in cache] == ["a", "c", "d"]


def test_what_is_over_is_evicted_though_there_is_room() -> None:
    """From the least recently used one on, when another is put."""
    evicted: list[str] = []
    now = [0]
    cache: WeightedCache[str, int] = WeightedCache(
        "a test's",
        most_bytes=100 * ENTRY_BYTES,
        weigh=lambda _key, _until: 0,
        is_over=lambda until: until <= now[0],
        evicted=lambda key, _until: evicted.append(key),
    )
    for key, until in (("a", 10), ("b", 20), ("c", 30)):
        cache.put(key, until)
    assert cache.get("a") == 10
    now[0] = 20
    cache.put("d", 40)
    assert evicted == ["b"]
    assert (len(cache), cache.bytes) == (3, 3 * ENTRY_BYTES)
    now[0] = 35
    cache.put("e", 50)
    assert evicted == ["b", "c", "a"]
    now[0] = 60
    cache.put("f", 60)
    assert (len(cache), cache.bytes) == (0, 0)


def test_a_heavy_entry_evicts_as_many_as_it_needs_room_for() -> None:
    cache = a_cache(4)
    for key in ("a", "b", "c", "d"):
        cache.put(key, 1)
    cache.put("heavy", 3)
    assert (len(cache), cache.bytes) == (2, 4 * ENTRY_BYTES)
    assert cache.get("d") == 1


def test_what_is_heavier_than_the_cache_evicts_nothing_and_is_not_kept() -> None:
    evicted: list[tuple[str, int]] = []
    cache = a_cache(4, evicted)
    cache.put("a", 1)
    cache.put("too heavy", 5)
    assert (cache.get("a"), cache.get("too heavy")) == (1, None)
    assert evicted == [("too heavy", 5)]


def test_a_value_that_grew_too_heavy_is_gone_rather_than_old() -> None:
    cache = a_cache(4)
    cache.put("a", 1)
    cache.put("a", 5)
    assert (cache.get("a"), cache.bytes) == (None, 0)


def test_putting_again_replaces_the_weight() -> None:
    evicted: list[tuple[str, int]] = []
    cache = a_cache(4, evicted)
    for weight in (1, 3, 2):
        cache.put("a", weight)
    assert (cache.bytes, evicted) == (2 * ENTRY_BYTES, [])
    assert (cache.pop("a"), cache.pop("a"), cache.bytes) == (2, None, 0)
    cache.put("b", 1)
    cache.clear()
    assert (len(cache), cache.bytes, evicted) == (0, 0, [])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["get", "put", "pop"]), st.sampled_from("abcdef"), st.integers(1, 9)
        )
    )
)
def test_the_weight_is_that_of_the_entries_and_never_above_the_bound(
    steps: list[tuple[str, str, int]],
) -> None:
    cache = a_cache(8)
    for action, key, weight in steps:
        if action == "put":
            cache.put(key, weight)
        elif action == "get":
            cache.get(key)
        else:
            cache.pop(key)
        entries = [(cache.get(key) or 0) for key in "abcdef" if key in cache]
        assert cache.bytes == sum(entries) * ENTRY_BYTES <= cache.most_bytes


def test_a_function_is_called_once_for_what_is_remembered_none_included() -> None:
    asked: list[tuple[int, str]] = []

    def look(number: int, name: str) -> None:
        asked.append((number, name))

    known = remembered("a function's", most_bytes=10_000, weigh=lambda _arguments, _result: 1)(look)
    known(1, "a")
    known(1, "a")
    known(2, "a")
    assert asked == [(1, "a"), (2, "a")]


def test_every_cache_in_use_is_listed() -> None:
    cache = a_cache(1)
    assert cache in instances()
