"""No locked dependency has a known vulnerability, as far as there is a network to look it up; and
the look-up works.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx
import pytest

ROOT: Final = Path(__file__).parents[2]

ADVISORIES: Final = "https://api.osv.dev/v1/query"
LONG_KNOWN: Final = {"version": "2.4.1", "package": {"name": "jinja2", "ecosystem": "PyPI"}}
"""A version with known vulnerabilities: every advisory service knows them."""

EVERY_VERSION: Final = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]


def audited(lock: str, *, service: str = ADVISORIES) -> subprocess.CompletedProcess[str]:
    """What `make audit` does with each lock."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--vulnerability-service",
        "osv",
        "--disable-pip",
        "--require-hashes",
    ]
    return subprocess.run(
        [*command, "--osv-url", service, "-r", lock],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def _advised() -> None:
    try:
        answer = httpx.post(ADVISORIES, json=LONG_KNOWN, timeout=5)
        known = answer.is_success and answer.json().get("vulns")
    except (httpx.HTTPError, ValueError) as failure:
        pytest.skip(
            "the advisory service api.osv.dev can't be reached from here "
            f"({type(failure).__name__})"
        )
    if not known:
        pytest.skip(
            f"what answers for api.osv.dev knows no advisories (status {answer.status_code})"
        )


@pytest.mark.usefixtures("_advised")
@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-otel.lock"])
def test_nothing_that_runs_has_a_known_hole(lock: str) -> None:
    """`make audit` looks at the tools as well."""
    done = audited(lock)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@contextmanager
def a_service(holed: str) -> Iterator[tuple[str, list[str]]]:
    """A stand-in for the service, which knows one package with a hole; its address, and the names
    it was asked for.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
            asked.append(package["name"])
            affected = [{"package": package, "ranges": EVERY_VERSION}]
            hole: dict[str, Any] = {
                "id": "GHSA-0000",
                "summary": "A hole",
                "details": "A hole",
                "affected": affected,
            }
            body = json.dumps({"vulns": [hole]} if package["name"] == holed else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("holed", "status"), [("nothing", 0), ("uvicorn", 1)])
def test_an_audit_asks_for_all_that_is_locked_and_fails_with_a_hole(
    holed: str, status: int
) -> None:
    with a_service(holed) as (address, asked):
        done = audited("requirements.lock", service=address)
    assert done.returncode == status, done.stderr
    assert ("GHSA-0000" in done.stdout) == bool(status)
    assert {"uvicorn", "strawberry-graphql", "cryptography"} <= set(asked)
