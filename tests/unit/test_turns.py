"""Connections that wait to be accepted: refused or served in turns, by real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from app.process.connections import Connections
from app.settings import ConnectionSettings

ONE, OTHER = "127.0.0.2", "127.0.0.3"


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
