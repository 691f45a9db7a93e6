"""Documents that callers registered by their hash, in Redis, for every process. When Redis fails,
no document is found.

Anybody may register, so what is kept is bounded: the documents used last, `MOST_DOCUMENTS` of them.
A caller who floods it costs others a second request for each of their documents, and Redis no more
memory than that many documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.redis_client import BROKEN_REDIS, script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.redis_client import Command, RedisClient
    from app.redis_cluster import ClusterClient

LIFETIME_SECONDS: Final = 7 * 86_400
"""After its last use. A week spares clients of a quiet weekend nothing but one request, and
outlives any deployment's.
"""

MOST_DOCUMENTS: Final = 2_000
"""Of all callers together. An application has some hundreds; of the longest documents this many
take 64 MB.
"""

_PREFIX: Final = "slotwright:document:3:{documents}"
"""All under one hash tag: they are counted together. Documents under number 1 may contain personal
data; they expire unread, as those under number 2 do.
"""

# KEYS: the document, the index. ARGV: its hash, its lifetime in seconds.
_FIND: Final = """
local text = redis.call('GET', KEYS[1])
if text then
    local now = redis.call('TIME')
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    redis.call('ZADD', KEYS[2], now[1] + now[2] / 1e6, ARGV[1])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return text
"""

# KEYS: the document, the index. ARGV: its hash, its lifetime in seconds, how many are kept, its
# text. Answers the hashes of those that are too many, used longest ago.
_KEEP: Final = """
local now = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], now[1] + now[2] / 1e6, ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[3]
return over > 0 and redis.call('ZRANGE', KEYS[2], 0, over - 1) or {}
"""

# KEYS: the index, documents. ARGV: their hashes.
_DROP: Final = """
for at, hash in ipairs(ARGV) do
    redis.call('DEL', KEYS[at + 1])
    redis.call('ZREM', KEYS[1], hash)
end
"""


def document_key(sha256: str) -> str:
    """The text of a document; `LIFETIME_SECONDS` from its last use."""
    return f"{_PREFIX}:{sha256}"


def index_key() -> str:
    """The hashes of all documents by the time of their last use; as long as the
    youngest of them.
    """
    return f"{_PREFIX}:by-use"


class RegisteredDocuments:
    """The documents in the Redis that `redis` gives when it is asked, `most` of them."""

    def __init__(
        self, redis: Callable[[], RedisClient | ClusterClient], *, most: int = MOST_DOCUMENTS
    ) -> None:
        self._redis = redis
        self._most = most

    async def find(self, sha256: str) -> str | None:
        """The document that was registered under this hash; None also where Redis can't
        be asked.
        """
        keys = [document_key(sha256), index_key()]
        found = await self._ask(script(_FIND, keys, [sha256, LIFETIME_SECONDS]))
        return found.decode() if isinstance(found, bytes) else None

    async def keep(self, sha256: str, text: str) -> None:
        """Remember the document, where Redis can be asked. It is the caller's to have
        checked both.
        """
        keys = [document_key(sha256), index_key()]
        over: Sequence[bytes] | None = await self._ask(
            script(_KEEP, keys, [sha256, LIFETIME_SECONDS, self._most, text])
        )
        if over:
            hashes = [each.decode() for each in over]
            await self._ask(script(_DROP, [index_key(), *map(document_key, hashes)], hashes))

    async def _ask(self, command: Command) -> Any:  # noqa: ANN401  whatever the script returns
        redis = self._redis()
        if redis.breaker.is_open:
            return None
        try:
            (answer,) = await redis.ask([command])
        except BROKEN_REDIS as failure:
            redis.breaker.trip(failure)
            return None
        return answer
