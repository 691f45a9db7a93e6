"""The memory of a process in huge pages, where the kernel has them: Linux 6.1 or later.

A request runs through hundreds of functions, and their code and data lie all over the heap. The
processor remembers where few pages are, and a virtual machine translates each address twice. With
pages of 2 MiB instead of 4 KiB, a booking takes about a tenth less of the processor.
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import Final

HUGE_BYTES: Final = 2 * 1024 * 1024
"""Of a huge page on x86-64 and ARM. Where pages have another size, the kernel refuses or rounds."""

_MADV_HUGEPAGE: Final = 14
"""Page faults may be answered with huge pages from now on; see madvise(2)."""
_MADV_COLLAPSE: Final = 25
"""What is there is copied into huge pages at once."""

_HEAP: Final = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *(?:\[heap\])?\n"
    r"Size: +(\d+) kB\n(?:\w+: .*\n)*?Rss: +(\d+) kB$",
    re.MULTILINE,
)


def use_huge_pages() -> None:
    """For the memory that this process has so far, but for mappings that are largely unused, such
    as the stacks of threads. Does nothing where there are no huge pages.
    """
    if sys.platform != "linux":
        return
    try:
        # The names of mapped files may be in any encoding.
        mappings = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end, size, resident in _HEAP.findall(mappings):
        first = -(-int(start, 16) // HUGE_BYTES) * HUGE_BYTES
        length = int(end, 16) // HUGE_BYTES * HUGE_BYTES - first
        if length > 0 and 2 * int(resident) >= int(size):
            madvise(first, length, _MADV_HUGEPAGE)
            madvise(first, length, _MADV_COLLAPSE)
