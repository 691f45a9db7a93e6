"""No engine builds the image where the tests run, so what can be checked of it without one is
checked here.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.__main__ import command_line

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROGRAMS = {name: service for name, service in SERVICES.items() if "build" in service}

OURS = re.compile(r"^(DATABASE_URL|REDIS_URL|SLOTWRIGHT_[A-Z_]+)$")


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) with continued lines joined and comments left out."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, rest) for name, rest in pairs]


def copied() -> list[str]:
    """The files and folders of the repository that the image is made of."""
    copies = [
        rest.split()
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from=")
    ]
    return [source for words in copies for source in words[:-1]]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    for source in copied():
        assert (ROOT / source).exists(), source
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!")
            if fnmatch.fnmatch(source, pattern) or source.startswith(f"{pattern}/"):
                ignored = not rule.startswith("!")
        assert not ignored, f"{source} is in .dockerignore"


def test_the_image_holds_everything_that_the_program_reads() -> None:
    assert {
        "app",
        "sql/migrations",
        "sql/queries",
        "requirements.lock",
        "requirements-otel.lock",
    } <= set(copied())
    assert any(
        "app/web/vendor" in rest
        for name, rest in instructions()
        if name == "COPY" and "--from=" in rest
    )


def test_the_image_is_small_locked_and_not_root() -> None:
    stages = [rest for name, rest in instructions() if name == "FROM"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "requires-python"
    ].removeprefix(">=")
    assert stages[-1] == f"python:{oldest}-slim"
    assert all("slim" in stage and ":latest" not in stage for stage in stages)
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert re.search(r"^USER (?!root|0)\w+$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "--require-hashes" in DOCKERFILE
    assert "apt-get" not in last


def test_the_image_starts_the_program_with_a_command_that_exists() -> None:
    said = dict(instructions())
    assert yaml.safe_load(said["ENTRYPOINT"]) == ["python", "-m", "app"]
    assert command_line().parse_args(yaml.safe_load(said["CMD"])).run is not None


def test_compose_has_every_part() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "api", "worker", "mail"}
    assert set(PROGRAMS) == {"migrate", "api", "worker"}
    assert len({service["image"] for service in PROGRAMS.values()}) == 1, "one image for all roles"
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert used == set(COMPOSE["volumes"])
    assert SERVICES["postgres"]["image"] == "postgres:17"
    assert SERVICES["redis"]["image"] == "redis:7"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_of_compose_is_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    if name == "migrate":
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
        assert condition == {"condition": wanted}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_command_of_compose_is_one_of_the_program(name: str) -> None:
    assert command_line().parse_args(PROGRAMS[name]["command"]).run is not None


def test_the_health_checks_of_compose_name_what_exists() -> None:
    worker = SERVICES["worker"]["healthcheck"]["test"]
    assert worker[:4] == ["CMD", "python", "-m", "app"]
    assert command_line().parse_args(worker[4:]).check is True
    assert "/readyz" in SERVICES["api"]["healthcheck"]["test"][-1]


def test_compose_sets_only_variables_that_the_program_reads() -> None:
    table = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    for service in PROGRAMS.values():
        for variable in service["environment"]:
            assert OURS.match(variable)
            assert f"`{variable}`" in table


def test_compose_passes_on_what_a_proxy_in_front_needs() -> None:
    for name in ("api", "worker"):
        passed = SERVICES[name]["environment"]
        assert passed["SLOTWRIGHT_TRUSTED_HOPS"] == "${SLOTWRIGHT_TRUSTED_HOPS:-}"
        assert passed["SLOTWRIGHT_HSTS_SECONDS"] == "${SLOTWRIGHT_HSTS_SECONDS:-}"
