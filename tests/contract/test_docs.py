"""The documentation names files and directories that exist."""

from __future__ import annotations

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
