"""A wheel built from the project carries what the program reads: statements, migrations, templates,
pages.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

CARRIED = ["*.py", "*.html", "*.txt", "*.js", "*.css", "*.json"]
"""What the packages under app/ are made of."""


def test_a_wheel_carries_what_the_program_reads(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            str(tmp_path),
        ],
        cwd=ROOT,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1577836800"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("slotwright-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    sources = [path for pattern in CARRIED for path in (ROOT / "app").rglob(pattern)]
    wanted = {
        path.relative_to(ROOT).as_posix() for path in sources if "__pycache__" not in path.parts
    }
    wanted |= {
        f"app/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "sql").glob("*/*.sql")
    }
    assert any(name.startswith("app/sql/migrations/0001_") for name in wanted)
    assert any(name.startswith("app/web/vendor/") for name in wanted), "run `make assets` first"
    assert wanted - held == set()
    assert [name for name in held if not name.startswith(("app/", "slotwright-"))] == []
