"""`python -m tests.benchmarks [--base COMMIT] [NAME …]`: every measurement of this folder, or those
named, one after the other.

A measurement is a module with a `main()`; what it is compared with may be a module without one.
Where it gives rows, they are printed as a table; a text is printed as it is. A run of all of them
writes docs/benchmarks.md, each text between the marks of its module, and the chart of the rows.

With `--base`, another version runs in turns with this one from a git worktree (see `versions`): a
module's `COMPARISONS` are taken, and one without any, which needs this version's own modules, is
skipped. The page is not written then.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path

from tests.benchmarks import versions
from tests.benchmarks.rows import Row, chart, table

DOCS = Path(__file__).parents[2] / "docs"
MARKS = {
    "table": ("<!-- written by make bench: the table -->", "<!-- up to here: the table -->"),
    "profiles": ("<!-- written by make bench: profiles -->", "<!-- up to here: profiles -->"),
    "hostile": ("<!-- written by make bench: hostile -->", "<!-- up to here: hostile -->"),
}


def names() -> list[str]:
    here = str(Path(__file__).parent)
    found = sorted(
        module.name for module in pkgutil.iter_modules([here]) if module.name != "__main__"
    )
    return [
        name
        for name in found
        if hasattr(importlib.import_module(f"tests.benchmarks.{name}"), "main")
    ]


def write(rows: list[Row], found: dict[str, str]) -> None:
    """Into the page, between its marks; what people wrote around them stays."""
    load = os.getloadavg()[0]
    where = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on "
        f"{os.cpu_count()} cores "
        f"({platform.system()} {platform.machine()}); the load average at the end was {load:.1f}."
    )
    texts = found | {
        "table": f"{where}\n\n{table(rows)}\n\n![The ratios against their bars](benchmarks.svg)",
    }
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    for name, (start, end) in MARKS.items():
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}\n\n{texts[name].strip()}\n\n{end}{after}"
    (DOCS / "benchmarks.md").write_text(page, encoding="utf-8")
    (DOCS / "benchmarks.svg").write_text(chart(rows) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--base", metavar="COMMIT", help="compare with this version, in turns")
    parser.add_argument(
        "--rounds", type=int, help="of each row that is compared, and of each attack"
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args(arguments)
    there = names()
    unknown = [name for name in options.names if name not in there]
    if unknown:
        print(f"there is no {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    if options.base:
        return compare(options.base, options.names or there, options.rounds or versions.ROUNDS)
    rows: list[Row] = []
    texts: dict[str, str] = {}
    for name in options.names or there:
        print(f"\n== {name}", flush=True)
        run = importlib.import_module(f"tests.benchmarks.{name}").main
        takes_rounds = options.rounds and "rounds" in signature(run).parameters
        found = run(rounds=options.rounds) if takes_rounds else run()
        if isinstance(found, str):
            print(found, flush=True)
            texts[name] = found
        elif found:
            print(table(found), flush=True)
            rows += found
    if not options.names:
        write(rows, texts)
    return 0


def compare(base: str, wanted: list[str], rounds: int) -> int:
    comparisons: list[versions.Comparison] = []
    for name in wanted:
        found = getattr(importlib.import_module(f"tests.benchmarks.{name}"), "COMPARISONS", ())
        if not found:
            print(f"{name} needs this version's own modules: skipped")
        comparisons += found
    if comparisons:
        print(table(versions.compare(base, comparisons, rounds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
