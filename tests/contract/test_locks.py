"""The lock files pin everything, with hashes, and name no place to get it from."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def requirements(lock: Path) -> dict[str, Requirement]:
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parsed = [Requirement(line.split(" --hash")[0]) for line in lines if line.strip()]
    return {requirement.name: requirement for requirement in parsed}


def test_there_is_a_lock_for_each_purpose() -> None:
    names = ["requirements-dev.lock", "requirements-embedded.lock", "requirements-node.lock", "requirements.lock"]
    assert [lock.name for lock in LOCKS] == names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_with_hashes_and_names_no_source(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|--trusted-host|#", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9][a-z0-9.-]*(\[[a-z]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_what_two_locks_have_in_common_is_the_same_version() -> None:
    pinned: dict[str, str] = {}
    for lock in LOCKS:
        for name, requirement in requirements(lock).items():
            version = pinned.setdefault(name, str(requirement.specifier))
            assert str(requirement.specifier) == version, f"{name} in {lock.name}"


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", lambda project: project["project"]["dependencies"]),
        ("requirements-embedded.lock", lambda project: project["dependency-groups"]["embedded"]),
        ("requirements-dev.lock", lambda project: project["dependency-groups"]["dev"]),
        ("requirements-node.lock", lambda project: project["dependency-groups"]["node"]),
    ],
)
def test_a_lock_holds_what_pyproject_asks_for(lock: str, wanted: object) -> None:
    assert callable(wanted)
    held = requirements(ROOT / lock)
    for text in wanted(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))):
        asked = Requirement(text)
        assert asked.name in held, f"{asked.name}: run `make lock`"
        version = str(held[asked.name].specifier).removeprefix("==")
        assert asked.specifier.contains(version, prereleases=True), f"{asked.name}: run `make lock`"


def test_no_file_names_this_machine() -> None:
    """Neither a home folder nor an index: the project is cloned to other places."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    home = re.compile(r"/(?:work|root|home/[a-z]+|Users/[A-Za-z]+|opt/(?:pypi|wheels))/|\b(?:pypi\.org|pythonhosted)\b")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file() or path == Path(__file__):
            continue
        assert home.findall(path.read_bytes().decode("utf-8", errors="replace")) == [], name
