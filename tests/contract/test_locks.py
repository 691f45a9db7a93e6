"""The lock files pin everything, with hashes, and name no package index."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
NPM_LOCKS = [
    ROOT / folder / "package-lock.json"
    for folder in (
        "app/web",
        "docs/examples/react",
        "tests/benchmarks/npm",
        "tests/e2e/frontend",
        "tests/integration/transport/npm",
    )
]


def requirements(lock: Path) -> dict[str, Requirement]:
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parsed = [Requirement(line.split(" --hash")[0]) for line in lines if line.strip()]
    return {requirement.name: requirement for requirement in parsed}


def listed() -> list[str]:
    """The files of the repository."""
    return (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        .stdout.decode()
        .split("\0")
    )


def test_there_is_a_lock_for_each_purpose() -> None:
    names = [f"requirements-{purpose}.lock" for purpose in ("dev", "embedded", "node", "otel")]
    assert [lock.name for lock in LOCKS] == [*names, "requirements.lock"]
    assert {ROOT / name for name in listed() if name.endswith("package-lock.json")} == set(
        NPM_LOCKS
    )


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
        ("requirements-otel.lock", lambda project: project["project"]["dependencies"]),
        (
            "requirements-otel.lock",
            lambda project: project["project"]["optional-dependencies"]["otel"],
        ),
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


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: str(lock.parent.relative_to(ROOT)))
def test_an_npm_lock_pins_with_hashes_names_no_source_and_runs_nothing(lock: Path) -> None:
    """Of every package the SHA-512, from wherever it comes; none with a program that npm would run
    to install it.
    """
    read = json.loads(lock.read_text(encoding="utf-8"))
    asked = json.loads((lock.parent / "package.json").read_text(encoding="utf-8"))
    packages = read["packages"]
    own = packages.pop("")
    npmrc = lock.parent / ".npmrc"
    runs_no_scripts = npmrc.is_file() and "ignore-scripts=true" in npmrc.read_text().split()
    assert read["lockfileVersion"] == 3
    assert own["dependencies"] == asked["dependencies"]
    assert {f"node_modules/{name}" for name in asked["dependencies"]} <= packages.keys()
    for name, package in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert re.fullmatch(r"\d[\w.+-]*", package["version"]), name
        assert not {"resolved", "link"} & package.keys(), name
        assert runs_no_scripts or "hasInstallScript" not in package, name
    for name, version in asked["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version, name


def test_no_file_names_this_machine() -> None:
    """Neither a home folder nor an index: the project is cloned to other places."""
    home = re.compile(
        r"/(?:work|root|home/[a-z]+|Users/[A-Za-z]+|opt/(?:pypi|wheels))/|\b(?:pypi\.org|pythonhosted)\b"
    )
    for name in filter(None, listed()):
        path = ROOT / name
        if not path.is_file() or path == Path(__file__):
            continue
        assert home.findall(path.read_bytes().decode("utf-8", errors="replace")) == [], name
