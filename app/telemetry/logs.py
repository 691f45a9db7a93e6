"""How the program's log lines look: one line an event, to standard error, in UTC, without personal
data.

In production a line is a JSON object: `at`, `level`, `logger`, `message`, `request_id` where it is
about a request, and the fields that the caller of the logger gave as `extra`. Of an exception, its
types and where they were raised are logged, never their messages: a driver quotes rows. In
development, a line is for reading and has everything.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import orjson

LogFormat: TypeAlias = Literal["json", "text"]

_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""What every record has; the rest was given as `extra`."""

_LONGEST_MESSAGE: Final = 2_000


def configure_logs(
    style: LogFormat = "text", *, request_id: Callable[[], str | None] = lambda: None
) -> None:
    """For a process of its own; nothing calls it at import. `request_id` returns the id of the
    current request.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(request_id) if style == "json" else _text_lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Their INFO lines for every step only repeat ours.
    for chatty in ("httpx", "arq.worker", "arq.jobs"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """A record as one JSON object."""

    def __init__(self, request_id: Callable[[], str | None]) -> None:
        super().__init__()
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        """Never raises for what was logged: what JSON lacks becomes its type's name."""
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _text(record.getMessage()),
        }
        request_id = self._request_id()
        if request_id is not None:
            said["request_id"] = request_id
        said |= {
            name: value
            for name, value in vars(record).items()
            if name not in _OWN_FIELDS and value is not None
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["exception"] = list(kinds_and_frames(record.exc_info[1]))
        return orjson.dumps(said, default=lambda value: type(value).__name__).decode()


def kinds_and_frames(exception: BaseException) -> Iterator[str]:
    """The exception and its causes, newest first: the type of each and where it was raised, without
    its message.
    """
    seen: set[int] = set()
    link: BaseException | None = exception
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield f"{type(link).__module__}.{type(link).__qualname__}"
        for frame in traceback.extract_tb(link.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} {frame.name}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _text(message: str) -> str:
    """Lone surrogates are no UTF-8."""
    return message[:_LONGEST_MESSAGE].encode(errors="backslashreplace").decode()


def _text_lines() -> logging.Formatter:
    formatter = logging.Formatter(
        "%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    return formatter
