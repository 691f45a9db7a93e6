"""An identity provider: what its JWKS address returns, and how often it was fetched. Its clock is
set by the tests.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx
import orjson

from app.identity.jwks import LARGEST_SET_BYTES, MOST_KEYS, KeySet

ADDRESS = "https://id.example/keys"


class IdentityProvider:
    def __init__(self, *keys: object) -> None:
        self.publishes = list(keys)
        self.status = 200
        self.trouble: str | None = None
        self.asked: list[str] = []
        self.seconds = 1_000.0
        transport = httpx.MockTransport(self._answer)
        client = httpx.AsyncClient(transport=transport, follow_redirects=False)
        self.keys = KeySet(ADDRESS, client, seconds=lambda: self.seconds)

    @property
    def fetches(self) -> int:
        return len(self.asked)

    async def read(self) -> None:
        """Until what is being fetched is there."""
        if self.keys._fetching is not None:
            await self.keys._fetching

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        match self.trouble:
            case "away":
                raise httpx.ConnectError("refused")
            case "status":
                return httpx.Response(500)
            case "redirect":
                return httpx.Response(
                    302, headers={"location": "http://169.254.169.254/latest/meta-data"}
                )
            case "not json":
                return httpx.Response(200, content=b"<html>")
            case "no set":
                return httpx.Response(200, content=b'{"keys":{}}')
            case "too many":
                return httpx.Response(
                    200, content=orjson.dumps({"keys": self.publishes * (MOST_KEYS + 1)})
                )
            case "too large":
                body = orjson.dumps({"keys": self.publishes, "more": "x" * LARGEST_SET_BYTES})
                return httpx.Response(200, content=body)
            case _:
                return httpx.Response(self.status, content=orjson.dumps({"keys": self.publishes}))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.keys.close()
