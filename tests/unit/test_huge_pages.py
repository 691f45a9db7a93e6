"""The memory of a process in huge pages."""

from __future__ import annotations

import mmap
import os
import re
import sys
from pathlib import Path

import pytest

from app.process.huge_pages import HUGE_BYTES, use_huge_pages

_COLLAPSE = 25
_MEBIBYTE = 1024 * 1024


def _mapped(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _kibibytes(name: str) -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    found = re.search(rf"^{name}: +(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.fixture(autouse=True)
def _with_huge_pages() -> None:
    if sys.platform != "linux":
        pytest.skip("there are no huge pages")
    with _mapped(4 * HUGE_BYTES) as memory:
        memory.write(b"\x01" * len(memory))
        try:
            memory.madvise(_COLLAPSE)
        except OSError:
            pytest.skip("this kernel does not collapse pages")


def test_memory_that_is_used_is_moved_to_huge_pages(tmp_path: Path) -> None:
    """And what is in it stays. A file that is mapped may have a name that is no text."""
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.write_bytes(b"x")
    with odd.open("r+b") as file, mmap.mmap(file.fileno(), 0), _mapped(32 * _MEBIBYTE) as memory:
        memory.write(b"\x07" * len(memory))
        before = _kibibytes("AnonHugePages")
        use_huge_pages()
        assert _kibibytes("AnonHugePages") >= before + 16 * 1024
        assert memory[:] == b"\x07" * len(memory)


def test_memory_that_is_hardly_used_takes_no_more_than_before() -> None:
    """As stacks of threads: 8 MiB each, of which some KiB are used."""
    use_huge_pages()  # the rest of this process
    with _mapped(256 * _MEBIBYTE) as memory:
        memory[:: 16 * _MEBIBYTE] = b"\x01" * 16
        before = _kibibytes("Rss")
        use_huge_pages()
        assert _kibibytes("Rss") < before + 32 * 1024
