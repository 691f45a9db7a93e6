"""The README's tour works as it is pasted, in every shell, at any date."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from app.standins.embedded import free_port
from tests.e2e.program import ROOT, running

YEARS_AHEAD: Final = "2031-02-27T21:30:00Z"

TOUR: Final = re.findall(
    r"^```sh\n(.*?)^```$",
    (ROOT / "README.md").read_text(encoding="utf-8").split("## Five minutes")[1].split("\n## ")[0],
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of `make run`'s server, and the environment for the commands of the tour."""
    ours = {"DATABASE_URL", "REDIS_URL"}
    env = {
        name: text
        for name, text in os.environ.items()
        if name not in ours and not name.startswith("SLOTWRIGHT_")
    }
    folder = Path(tempfile.mkdtemp(prefix="slotwright-tour-"))
    folder.chmod(0o755)
    port = free_port()
    data = folder / "data"
    arguments = ("dev", "--port", str(port), "--data-dir", str(data), "--test-clock", YEARS_AHEAD)
    try:
        with running(*arguments, env=env, log=folder / "log") as program:
            program.wait_until_said("Ctrl-C stops everything")
            secrets: dict[str, str] = json.loads((data / "secrets.json").read_text())
            yield f"http://127.0.0.1:{port}", env | secrets | {"PYTHONPATH": str(ROOT)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_the_tour_can_be_pasted(
    shell: str, server: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    address, env = server
    marked = "\necho '--- next block'\n".join(TOUR)
    assert "--max-time 6 " in marked
    script = (
        marked.replace("http://127.0.0.1:8000", address)
        .replace(".venv/bin/python", sys.executable)
        .replace("--max-time 6 ", "--max-time 12 ")  # a busy machine may take longer
    )
    done = subprocess.run(
        [program],
        input=script,
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    _, providers, free, booked, taken, why, cancelled, live, hired = done.stdout.split(
        "--- next block\n"
    )
    assert len(json.loads(providers)["data"]["providers"]["nodes"]) == 2
    (day,) = json.loads(free)["data"]["provider"]["availability"]["days"]
    assert day["date"].startswith("2031-")
    assert day["slotCount"] == len(day["slots"]) > 0
    confirmation = json.loads(booked)["data"]["bookAppointment"]
    assert confirmation["appointment"]["status"] == "CONFIRMED"
    assert json.loads(taken)["data"]["bookAppointment"]["reasons"] == ["ALREADY_TAKEN"]
    assert json.loads(why)["data"]["explainTime"] == {
        "bookable": False,
        "reasons": ["ALREADY_TAKEN"],
    }
    assert json.loads(cancelled)["data"]["cancelAppointment"]["status"] == "CANCELLED"
    again, _, events = live.partition("\n")
    assert json.loads(again)["data"]["bookAppointment"]["appointment"]["status"] == "CONFIRMED"
    changes = [
        json.loads(line)["data"]["availabilityChanges"]
        for line in re.findall(r"^data: (.+)$", events, re.MULTILINE)
    ]
    assert changes[0]["isSnapshot"]
    assert day["slots"][0]["startsAt"] not in changes[-1]["startTimes"]
    assert json.loads(hired)["data"]["createProvider"]["name"] == "Dr Noor"
