"""`python -m tests.benchmarks [NAME …]`: every measurement of this folder, or those named, one after the other.

A measurement is a module with a `main()`; what it is compared with may be a module without one.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    here = str(Path(__file__).parent)
    found = sorted(module.name for module in pkgutil.iter_modules([here]) if module.name != "__main__")
    return [name for name in found if hasattr(importlib.import_module(f"tests.benchmarks.{name}"), "main")]


def main(wanted: list[str]) -> int:
    there = names()
    unknown = [name for name in wanted if name not in there]
    if unknown:
        print(f"there is no {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    for name in wanted or there:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"tests.benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
