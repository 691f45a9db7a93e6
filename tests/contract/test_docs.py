"""The documentation names files and directories that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
MADE_LATER: Final = {"app/web/vendor"}
"""Installed by make, so absent from a fresh checkout."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:app|sql|tests|docs)/[\w./-]*)`", text))
    missing = {
        path for path in named if path.rstrip("/") not in MADE_LATER and not (ROOT / path).exists()
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_page_of_ours_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


NAMES: Final = r"`(?P<names>[\w.]+(?:`, `[\w.]+)*)`"
STEP: Final = re.compile(rf"`(?P<path>app/[\w/]+\.py)`(?: → {NAMES})?")


def four_paths() -> dict[str, str]:
    """The text of each path through the layers, by its heading."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.split("\n## Four paths\n")[1].split("\n## ")[0]
    _, *paths = section.split("\n### ")
    return {path.partition("\n")[0]: path.partition("\n")[2] for path in paths}


def names_in(path: Path) -> set[str]:
    """What a file defines: `function`, `Class`, `Class.method`, `CONSTANT`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.ClassDef():
                found.add(node.name)
                found |= {
                    f"{node.name}.{each.name}"
                    for each in node.body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                }
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_the_four_paths_name_functions_that_their_files_define() -> None:
    paths = four_paths()
    assert len(paths) == 4
    for heading, text in paths.items():
        steps = list(STEP.finditer(text))
        assert len(steps) >= 8, heading
        for step in steps:
            assert step["names"], f"{step['path']} without a function: {heading}"
            missing = set(step["names"].split("`, `")) - names_in(ROOT / step["path"])
            assert missing == set(), f"{step['path']}: {heading}"


def test_each_of_the_four_paths_calls_upward_twice_at_most() -> None:
    """And says where: ↑ marks a call to a function that a lower layer was given."""
    for heading, text in four_paths().items():
        assert text.count("↑") <= 2, heading
