"""The one kind of cache that a process has: bounded by weight, least recently used out first.

A bound in entries bounds nothing where callers choose how large an entry is. So every cache here
has a bound in bytes, and weighs its entries. `instances` lists them all: a test fills
each one, checks that its weights are honest, and compares its bound with the table in
docs/operations.md; the gauges report how full each one is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Any, Final, Generic, TypeVar, TypeVarTuple, overload
from weakref import WeakSet

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Default = TypeVar("Default")
Arguments = TypeVarTuple("Arguments")

ENTRY_BYTES: Final = 250
"""What an entry takes besides its key and its value, which are all that `weigh` has to count. In
CPython 3.11 that is 110 to 180, and some 60 for a key that is a tuple.
"""


class WeightedCache(Generic[Key, Value]):
    """Values by their keys, `most_bytes` of them at most. Threads may share it.

    `weigh` estimates the bytes that a key and its value keep alive and nothing else does. A value
    that grows is put again. `is_over` says whether a value is of no use any more, because its time
    is over: such values are evicted when another is put, whether there is room or not. Otherwise a
    cache of values that live for a minute would hold those of an hour. Only the least recently used
    one is asked each time, so one that is used after its end may stay until it is not.

    `evicted` is called with each entry that was evicted; not with those that were replaced or
    removed on purpose.
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_entries",
        "_evicted",
        "_is_over",
        "_lock",
        "_weigh",
        "most_bytes",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        most_bytes: int,
        weigh: Callable[[Key, Value], int],
        is_over: Callable[[Value], bool] | None = None,
        evicted: Callable[[Key, Value], object] | None = None,
    ) -> None:
        self.name = name
        self.most_bytes = most_bytes
        self._weigh = weigh
        self._is_over = is_over
        self._evicted = evicted
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        _instances.add(self)

    @property
    def bytes(self) -> int:
        """The weight of all entries; never above `most_bytes`."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        """Whether there is an entry; asking does not count as using it."""
        return key in self._entries

    @overload
    def get(self, key: Key) -> Value | None: ...

    @overload
    def get(self, key: Key, default: Default) -> Value | Default: ...

    def get(self, key: Key, default: object = None) -> object:
        """The value, which is now the most recently used one; `default` where there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return default
        try:  # noqa: SIM105  `suppress` takes as long as all the rest
            self._entries.move_to_end(key)
        except KeyError:  # another thread evicted it just now
            pass
        return entry[0]

    def put(self, key: Key, value: Value) -> None:
        """Keep the value in place of an earlier one, and evict what no longer fits.

        A value heavier than the whole cache is not kept: it would evict everything for one use.
        """
        weight = self._weigh(key, value) + ENTRY_BYTES
        evicted: list[tuple[Key, Value]] = []
        with self._lock:
            self._remove(key)
            if weight > self.most_bytes:
                evicted.append((key, value))
            else:
                self._entries[key] = (value, weight)
                self._bytes += weight
                while self._bytes > self.most_bytes or self._oldest_is_over():
                    oldest, (old, old_weight) = self._entries.popitem(last=False)
                    self._bytes -= old_weight
                    evicted.append((oldest, old))
        if self._evicted is not None:
            for entry in evicted:
                self._evicted(*entry)

    def pop(self, key: Key) -> Value | None:
        """Remove the entry; its value, where there was one."""
        with self._lock:
            return self._remove(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _oldest_is_over(self) -> bool:
        if self._is_over is None or not self._entries:
            return False
        return self._is_over(next(iter(self._entries.values()))[0])

    def _remove(self, key: Key) -> Value | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._bytes -= entry[1]
        return entry[0]


_instances: Final[WeakSet[WeightedCache[Any, Any]]] = WeakSet()


def instances() -> tuple[WeightedCache[Any, Any], ...]:
    """Every cache of this process that is in use, by name."""
    return tuple(sorted(_instances, key=lambda cache: cache.name))


def remembered(
    name: str, *, most_bytes: int, weigh: Callable[[Any, Any], int]
) -> Callable[[Callable[[*Arguments], Value]], Callable[[*Arguments], Value]]:
    """Remember what a pure function returned, as `functools.lru_cache` does, but bounded by weight.

    Arguments are positional and hashable. `weigh` gets the tuple of them, and the result.
    """

    def decorate(function: Callable[[*Arguments], Value]) -> Callable[[*Arguments], Value]:
        cache: WeightedCache[tuple[*Arguments], Value] = WeightedCache(
            name, most_bytes=most_bytes, weigh=weigh
        )
        entries = cache._entries  # noqa: SLF001  a cache of our own making
        used = entries.move_to_end

        @wraps(function)
        def call(*arguments: *Arguments) -> Value:
            # What `get` does, without the call: a listing comes here five times for each provider.
            entry = entries.get(arguments)
            if entry is not None:
                try:  # noqa: SIM105  `suppress` takes as long as all the rest
                    used(arguments)
                except KeyError:  # another thread evicted it just now
                    pass
                return entry[0]
            value = function(*arguments)
            cache.put(arguments, value)
            return value

        return call

    return decorate
