"""Domains are converted in one place: nothing else names Python's codec for them, which is that of
2003.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODECS = {"idna", "punycode"}


@pytest.mark.parametrize(
    "module",
    sorted((ROOT / "app").rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_module_names_the_codec(module: Path) -> None:
    """Docstrings may: only whole string constants are names of codecs."""
    named = {
        node.value.lower()
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not named & CODECS
