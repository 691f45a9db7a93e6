"""Connections that wait to be accepted: refused or served in turns, by real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from app.process.connections import (
    NEW_AT_ONCE,
    NEW_PER_SECOND,
    UNPACED_AT_ONCE,
    Arrival,
    Connections,
    Turns,
)
from app.settings import ConnectionSettings

ONE, OTHER = "127.0.0.2", "127.0.0.3"


class Clock:
    """In seconds; it does not go by itself."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_one_connection_of_each_network_is_served_in_every_turn() -> None:
    connections = Connections(ConnectionSettings(), most_of_network=3)
    served: list[str] = []
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)  # noqa: FBT003
        peers = [stack.enter_context(socket.socket()) for _ in range(5)]
        for peer, address in zip(peers, (ONE, ONE, ONE, ONE, OTHER), strict=True):
            try:
                peer.bind((address, 0))
            except OSError:
                pytest.skip("this machine has one loopback address")
            peer.connect(listener.getsockname())

        def serve(accepted: socket.socket, place: ExitStack) -> None:
            stack.enter_context(accepted)
            stack.enter_context(place)
            served.append(accepted.getpeername()[0])

        connections.accept_more(listener, serve)
        assert peers[3].recv(1) == b""  # refused: there are three places
        in_turns: list[list[str]] = []
        for _ in range(4):
            before = len(served)
            await asyncio.sleep(0)
            in_turns.append(served[before:])
    assert in_turns == [[ONE, OTHER], [ONE], [ONE], []]


async def test_a_network_that_opens_many_connections_is_paced_and_others_are_not() -> None:
    clock = Clock()
    turns = Turns(paced=True, seconds=clock)
    served: list[int] = []
    last = asyncio.Event()
    for number in range(NEW_AT_ONCE + 2):
        turns.add(ONE, partial(served.append, number))
    turns.add(ONE, last.set)
    for _ in range(NEW_AT_ONCE + 5):
        await asyncio.sleep(0)
    assert served == list(range(NEW_AT_ONCE))
    assert not turns.start(ONE)
    assert turns.start(OTHER)
    clock.now += 3.5 / NEW_PER_SECOND
    await last.wait()
    assert served == list(range(NEW_AT_ONCE + 2))


async def test_a_network_is_forgotten_once_its_pace_allows_as_many_as_at_first() -> None:
    clock = Clock()
    turns = Turns(paced=True, seconds=clock)
    assert turns.start(ONE)
    assert len(turns) == 1
    clock.now += 1.5 / NEW_PER_SECOND
    again = asyncio.Event()
    turns.add(ONE, again.set)
    await again.wait()
    clock.now += 1.5 / NEW_PER_SECOND
    async with asyncio.timeout(20):
        while len(turns):  # noqa: ASYNC110 (a timer's end is waited for)
            await asyncio.sleep(0.001)


async def test_without_a_limit_for_networks_every_connection_is_served_at_once() -> None:
    turns = Turns(paced=False)
    assert all(turns.start(ONE) for _ in range(10 * NEW_AT_ONCE))
    assert not len(turns)


async def test_without_a_limit_for_networks_some_are_served_in_every_turn_in_their_order() -> None:
    turns = Turns(paced=False)
    served: list[int] = []
    for number in range(UNPACED_AT_ONCE + 2):
        turns.add(ONE, partial(served.append, number))
    assert not turns.start(ONE), "it would overtake those that wait"
    assert turns.start(OTHER)
    turns.add(OTHER, partial(served.append, -1))
    await asyncio.sleep(0)
    assert served == [*range(UNPACED_AT_ONCE), -1]
    await asyncio.sleep(0)
    assert served[-2:] == [UNPACED_AT_ONCE, UNPACED_AT_ONCE + 1]
    await asyncio.sleep(0)
    assert not len(turns)
    assert turns.start(ONE)


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_what_a_network_sends_before_its_turn_is_answered_in_its_turn(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with socket.socket() as peer:
        try:
            peer.bind((OTHER, 0))
        except OSError:
            pytest.skip("this machine has one loopback address")

    async def serve() -> None:
        clock = Clock()
        connections = Connections(ConnectionSettings(), most_of_network=100)
        connections.turns = Turns(paced=True, seconds=clock)
        config = uvicorn.Config(PlainTextResponse("here"), log_config=None, access_log=False)
        listener = socket.create_server(("127.0.0.1", 0))
        make = partial(Arrival, config, ServerState(), connections.state, listener=listener)
        server = await asyncio.get_running_loop().create_server(make, sock=listener)

        async def ask(address: str) -> bytes:
            reader, writer = await asyncio.open_connection(
                *listener.getsockname(), local_addr=(address, 0)
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

        async with asyncio.timeout(60), server:
            asked = [asyncio.create_task(ask(ONE)) for _ in range(NEW_AT_ONCE + 3)]
            waiting = set(asked)
            while len(waiting) > 3:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert (await ask(OTHER)).endswith(b"here")
            assert sum(task.done() for task in asked) == NEW_AT_ONCE
            clock.now += 3.5 / NEW_PER_SECOND
            assert all(answer.endswith(b"here") for answer in await asyncio.gather(*asked))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())
