"""Documents that callers registered by their hash, in Redis, for every process. When Redis fails,
no document is found.

Anybody may register, so what is kept is bounded: the documents used last, `MOST_DOCUMENTS` of them.
A caller who floods it costs others a second request for each of their documents, and Redis no more
memory than that many documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.redis_client import BROKEN_REDIS

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.redis_client import RedisClient

LIFETIME_SECONDS: Final = 7 * 86_400
"""After its last use. A week spares clients of a quiet weekend nothing but one request, and
outlives any deployment's.
"""

MOST_DOCUMENTS: Final = 2_000
"""Of all callers together. An application has some hundreds; of the longest documents this many
take 64 MB.
"""

_PREFIX: Final = "slotwright:document:2"
"""Documents under number 1 may contain personal data; they expire unread."""

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

# KEYS: the document, the index. ARGV: its hash, its lifetime in seconds, how many are kept, the
# prefix of their names, its text.
_KEEP: Final = """
local now = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[5], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], now[1] + now[2] / 1e6, ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[3]
if over > 0 then
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
        redis.call('DEL', ARGV[4] .. hash)
    end
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
end
"""


def document_key(sha256: str) -> str:
    """The text of a document; `LIFETIME_SECONDS` from its last use. `_KEEP` makes this name too."""
    return f"{_PREFIX}:{sha256}"


def index_key() -> str:
    """The hashes of all documents by the time of their last use; as long as the
    youngest of them.
    """
    return f"{_PREFIX}s"


class RegisteredDocuments:
    """The documents in the Redis that `redis` gives when it is asked, `most` of them."""

    def __init__(self, redis: Callable[[], RedisClient], *, most: int = MOST_DOCUMENTS) -> None:
        self._redis = redis
        self._most = most

    async def find(self, sha256: str) -> str | None:
        """The document that was registered under this hash; None also where Redis can't
        be asked.
        """
        found = await self._run(_FIND, sha256, LIFETIME_SECONDS)
        return found.decode() if isinstance(found, bytes) else None

    async def keep(self, sha256: str, text: str) -> None:
        """Remember the document, where Redis can be asked. It is the caller's to have
        checked both.
        """
        await self._run(_KEEP, sha256, LIFETIME_SECONDS, self._most, document_key(""), text)

    async def _run(self, script: str, sha256: str, *arguments: str | int) -> object:
        redis = self._redis()
        if redis.breaker.is_open:
            return None
        try:
            run = redis.register_script(script)
            found: object = await run(
                keys=[document_key(sha256), index_key()], args=[sha256, *arguments]
            )
            return found
        except BROKEN_REDIS as failure:
            redis.breaker.trip(failure)
            return None
