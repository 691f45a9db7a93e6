"""The child process that reads feeds, one after the other: each a frame on its standard input, each
answer a frame on its standard output. It holds no secret, no connection and no file.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from typing import BinaryIO, Final

import orjson

from app.busy_feeds.read import TOO_MUCH, ReadFeed, UnreadableFeed, read_feed

LENGTH_BYTES: Final = 4
"""Of a frame, big-endian, before it."""

MOST_MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Of address space: five times what a feed of 5 MB takes."""

ORPHANED_SECONDS: Final = 120
"""A child whose parent was killed may still be at work on a feed; then it ends."""


def main() -> None:
    """Runs until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the parent's
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(BrokenPipeError):
        while (frame := _read(sys.stdin.buffer)) is not None:
            signal.alarm(ORPHANED_SECONDS)
            answer = _answer(frame)
            signal.alarm(0)
            sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
            sys.stdout.buffer.flush()


def question(data: bytes, *, first: int, last: int) -> bytes:
    """A feed and its window, as the child reads them."""
    return first.to_bytes(8, "big", signed=True) + last.to_bytes(8, "big", signed=True) + data


def encoded(found: ReadFeed | UnreadableFeed) -> bytes:
    match found:
        case UnreadableFeed(problem=problem):
            return orjson.dumps({"problem": problem})
        case ReadFeed(busy=busy, perhaps_ours=ours, unread=unread):
            return orjson.dumps(
                {
                    "busy": [busy.instants, busy.floating],
                    "ours": {str(key): [one.instants, one.floating] for key, one in ours.items()},
                    "unread": unread,
                }
            )


def _answer(frame: bytes) -> bytes:
    first, last = (int.from_bytes(frame[at : at + 8], "big", signed=True) for at in (0, 8))
    try:
        return encoded(read_feed(frame[16:], first=first, last=last))
    except (MemoryError, RecursionError):
        return encoded(TOO_MUCH)


def _read(stream: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "big")
    frame = stream.read(length)
    return frame if len(frame) == length else None


if __name__ == "__main__":
    main()
