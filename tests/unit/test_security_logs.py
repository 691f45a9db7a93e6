"""Log lines: one JSON object each, without text of a driver or a caller."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from app.telemetry.logs import JsonLines, configure_logs


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines(lambda: "a-request"))
    logger = logging.getLogger("tests.security")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)


def said(written: io.StringIO) -> dict[str, Any]:
    (line,) = written.getvalue().splitlines()
    found: dict[str, Any] = orjson.loads(line)
    return found


def test_a_line_is_one_object_with_the_request_and_what_was_added(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, written = lines
    logger.info("%d things\nhappened", 2, extra={"operation": "viewer", "nothing": None})
    line = said(written)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "tests.security",
        "message": "2 things\nhappened",
        "request_id": "a-request",
        "operation": "viewer",
    }


def test_an_exception_is_recorded_by_its_type_and_place_never_by_its_words(
    lines: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, written = lines

    def broken() -> None:
        try:
            dict[str, int]()["robin@example.com"]
        except KeyError as error:
            int("Key (email)=(robin@example.com) exists")
            raise AssertionError from error

    try:
        broken()
    except ValueError:
        logger.exception("it broke")
    assert "robin" not in written.getvalue()
    told = said(written)["exception"]
    assert told[0] == "builtins.ValueError"
    assert "builtins.KeyError" in told
    assert any(frame.endswith(" broken") for frame in told)


@pytest.mark.parametrize(
    "odd", ["\ud800", "x" * 100_000, "\x00\x1b[31m"], ids=["surrogate", "long", "control"]
)
def test_no_text_breaks_a_line(odd: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (odd,), "thing": object()})
    line = orjson.loads(JsonLines(lambda: None).format(record))
    assert line["thing"] == "object"
    assert len(line["message"]) <= 2_000


def test_a_circle_of_exceptions_ends(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = lines
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    logger.error("it broke", exc_info=first)
    assert said(written)["exception"] == ["builtins.ValueError", "builtins.KeyError"]


def test_either_format_can_be_configured(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        configure_logs("json")
        logging.getLogger("tests.formats").info("hello")
        assert orjson.loads(capsys.readouterr().err)["message"] == "hello"
        configure_logs("text")
        logging.getLogger("tests.formats").info("hello")
        assert capsys.readouterr().err.endswith("Z INFO tests.formats: hello\n")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
