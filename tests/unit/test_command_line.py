"""The command line: its arguments, what it refuses, and what it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import app
from app.__main__ import main

ROOT = Path(app.__file__).parents[1]

COMMANDS = [
    "dev",
    "serve",
    "work",
    "migrate",
    "schema",
    "seed",
    "token",
    "token revoke",
    "organization",
    "organization create",
]
NEEDED = [
    "DATABASE_URL",
    "REDIS_URL",
    "SLOTWRIGHT_TOKEN_SECRET",
    "SLOTWRIGHT_MANAGE_KEYS",
    "SLOTWRIGHT_HASH_SECRET",
]
LONG = "x" * 32
GOOD = dict(zip(NEEDED, ["postgresql://h/d", "redis://h", LONG, f"k:{LONG}", LONG], strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m app {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["serve", "--port", "0"],
        ["serve", "--port", "65536"],
        ["serve", "--workers", "none"],
        ["dev", "--workers", "0"],
        ["token"],
        ["token", "--role", "king"],
        ["token", "--role", "admin", "--ttl", "soon"],
        ["token", "revoke"],
        ["token", "revoke", "--jti", "one"],
        ["organization"],
        ["organization", "create", "--slug", "salon"],
    ],
)
def test_arguments_that_cannot_be_used_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m app" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["serve", "work", "seed", "organization create --slug s --name n"]
)
@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_setting_is_named(
    command: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    assert main(command.split()) == 2
    assert capsys.readouterr().err == f"slotwright: {missing} is not set.\n"


def test_ctrl_c_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.api.graph.schema.build_schema", interrupted)
    assert main(["schema"]) == 130
    assert capsys.readouterr() == ("", "")


_IMPORTED = """
import sys
import app.__main__, app.development.access_tokens, app.process.health, app.store.migrations
print(*sys.modules)
import app.process.serve
print(*sys.modules)
"""


def test_commands_without_the_api_do_not_import_it() -> None:
    """`work --check` runs every few seconds, and what `serve` refuses shows at once."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    of_small_commands, of_serve = (set(line.split()) for line in done.stdout.splitlines())
    assert {"app.process.health", "app.identity.access"} <= of_small_commands
    assert of_small_commands.isdisjoint({"app.api", "app.jobs", "app.usecases", "strawberry"})
    assert "app.process.connections" in of_serve
    assert of_serve.isdisjoint({"app.process.asgi", "app.api.graph", "app.usecases"})
