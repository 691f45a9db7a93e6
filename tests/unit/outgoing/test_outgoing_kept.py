"""Connections are kept for the next request to the same host, however many are made at once."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

from app.outgoing.client import WEBHOOK_LIMITS, Answer, Outgoing
from tests.receiver import CUT, Received, receiving


async def posted(outgoing: Outgoing, url: str) -> int | None:
    answer = await outgoing.post(url, headers={}, body=b"{}", limits=WEBHOOK_LIMITS)
    return answer.status if isinstance(answer, Answer) else None


async def test_requests_share_as_many_connections_as_are_made_at_once() -> None:
    outgoing = Outgoing((ip_network("127.0.0.0/8"),))
    async with receiving() as one, receiving() as other:
        for _ in range(5):
            answers = await asyncio.gather(
                *(posted(outgoing, each.url) for each in (one, other) for _ in range(3))
            )
            assert answers == [204] * 6
        assert (one.connections, other.connections) == (3, 3)
        await outgoing.close()


async def test_a_connection_that_was_closed_by_its_host_is_replaced() -> None:
    outgoing = Outgoing((ip_network("127.0.0.0/8"),))
    answers = [204, CUT, 204]

    async def respond(_: Received) -> int:
        return answers.pop(0)

    async with receiving(respond) as receiver:
        assert [await posted(outgoing, receiver.url) for _ in range(3)] == [204, None, 204]
        assert receiver.connections == 2
    # It comes up again on its port, and knows nothing of the connection that was kept.
    async with receiving(port=receiver.port) as again:
        assert await posted(outgoing, again.url) == 204
        assert again.connections == 1
    await outgoing.close()
