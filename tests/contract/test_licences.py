"""Every locked dependency has a permissive licence, and the image and the wheel include its text."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

import app
from app.web.assets import LICENSES, VENDOR

ROOT: Final = Path(__file__).parents[2]

SHIPPED: Final = ("requirements.lock", "requirements-otel.lock")
"""What the image is made of; `make run` adds the servers of requirements-embedded.lock."""

PERMISSIVE: Final = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0",
    "PSF-2.0", "PostgreSQL", "Python-2.0", "Unlicense",
})  # fmt: skip
"""SPDX identifiers. MPL-2.0 covers the files of the dependency only, and these are not changed."""

SPELLED_OTHERWISE: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""Licences of packages that give a name or a classifier instead of an SPDX expression."""


def locked(lock: str) -> list[str]:
    """The names of the distributions in a lock file that are needed on this machine."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    entries = [line.rstrip(" \\") for line in lines if re.match(r"[a-z0-9]", line)]
    requirements = [Requirement(entry) for entry in entries]
    return [each.name for each in requirements if each.marker is None or each.marker.evaluate()]


def licences(package: Distribution) -> set[str]:
    """The SPDX identifiers in a package's metadata, whichever way it states them."""
    stated = package.metadata.json
    if expression := stated.get("license_expression"):
        return set(re.findall(r"[\w.-]+", str(expression))) - {"AND", "OR", "WITH"}
    name = str(stated.get("license", "unknown"))
    if name in PERMISSIVE:
        return {name}
    classifiers = [
        each.rsplit(" :: ", 1)[1]
        for each in package.metadata.get_all("Classifier") or ()
        if each.startswith("License :: ") and not each.endswith("OSI Approved")
    ]
    names = classifiers or [name]
    return {SPELLED_OTHERWISE.get(name, name) for name in names}


@pytest.mark.parametrize("lock", SHIPPED)
def test_every_locked_dependency_has_a_permissive_licence_and_carries_its_text(lock: str) -> None:
    """pip installs the texts with each package, so the image has them."""
    packages = [distribution(name) for name in locked(lock)]
    assert len(packages) > 30
    refused = {
        package.name: found
        for package in packages
        if not (found := licences(package)) or found - PERMISSIVE
    }
    assert refused == {}
    bare = [
        package.name
        for package in packages
        if not any(
            re.search(r"licen[cs]e|copying", str(file), re.IGNORECASE)
            for file in package.files or ()
        )
    ]
    assert bare == []


def test_every_browser_package_has_a_permissive_licence_and_its_text_is_served_along() -> None:
    lock = json.loads((ROOT / "app/web/package-lock.json").read_text(encoding="utf-8"))
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert packages
    assert {
        path: entry.get("license")
        for path, entry in packages.items()
        if entry.get("license") not in PERMISSIVE
    } == {}
    texts = (VENDOR / LICENSES).read_text(encoding="utf-8")
    needed = json.loads((ROOT / "app/web/package.json").read_text(encoding="utf-8"))
    assert [name for name in needed["dependencies"] if f"\n{name}\n" not in f"\n{texts}"] == []


def test_our_own_licence_is_the_one_that_the_project_names_and_the_image_carries() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^COPY LICENSE ", dockerfile, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "!LICENSE" in ignored


def test_package_and_changelog_agree_on_the_version() -> None:
    """pyproject.toml reads it from the package, as `/readyz` does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "app/__init__.py"}
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert released[0] == app.__version__
