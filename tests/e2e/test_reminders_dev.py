"""A developer watches tomorrow's reminders today: `dev --test-clock`, `advanceClock`, and
/dev/mailbox.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest

from app.standins.embedded import free_port
from tests.e2e.program import PATIENCE_SECONDS, ask, get, running

ADVANCE = """mutation { answer: advanceClock(input: {minutes: %d}) {
    __typename ... on Clock { now } ... on UserError { message } } }"""


def subjects(base: str) -> list[str]:
    status, page = get(f"{base}/dev/mailbox")
    assert status == 200
    return re.findall(r"<h2>(.*?)</h2>", page)


def wait_for(base: str, beginning: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(subject.startswith(beginning) for subject in subjects(base)):
        assert time.monotonic() < deadline, subjects(base)
        time.sleep(0.1)


@pytest.mark.full
def test_a_developer_watches_tomorrows_reminders_today(
    environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    arguments = ["dev", "--port", str(port), "--data-dir", str(tmp_path / "data")]
    arguments += ["--test-clock", "2030-03-30T12:00:00Z"]
    with running(*arguments, env=environment, log=tmp_path / "log") as dev:
        dev.wait_until_said("Ctrl-C stops everything")
        found = re.search(r"administrator\s+(\S+)", dev.said)
        assert found is not None
        admin = found[1]
        wait_for(base, "Confirmed: ")
        assert not any(subject.startswith("Reminder") for subject in subjects(base))
        answer = ask(base, ADVANCE % 1440, token=admin)["data"]["answer"]
        assert answer["now"].startswith("2030-03-31T12:0"), "it runs on from where it was put"
        wait_for(base, "Reminder: ")
        page = httpx.get(f"{base}/dev/mailbox").text
        [letter, *_others] = re.findall(r'src="(/dev/mailbox/[0-9a-f]{32})"', page)
        shown = httpx.get(f"{base}{letter}")
        assert "<html" in shown.text
        assert shown.headers["content-security-policy"].startswith("sandbox")
        assert httpx.get(f"{base}/dev/mailbox/../secrets.json").status_code == 404
        viewer = ask(base, "{ viewer { role } }", token=admin)
        assert viewer["data"]["viewer"]["role"] == "ADMIN", "tokens keep the real clock"
        refused = ask(base, ADVANCE % 1)["data"]["answer"]
        assert refused["__typename"] == "NotAllowedError"
        assert dev.end() == 0
