"""`serve` with a list of documents: listed documents run; with an unusable list, it refuses to
start and says why in one sentence.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from app.standins.embedded import free_port
from tests.e2e.program import ask, make_organization, run, running

HELLO = "query Hello { __typename }"


@pytest.mark.parametrize(
    ("workers", "content", "reason"),
    [
        (1, "[]", "must be a JSON object"),
        (2, json.dumps({"sha256:abc": "{ nothing }"}), "Cannot query field 'nothing'"),
    ],
)
def test_an_unusable_list_is_reported(
    workers: int, content: str, reason: str, environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "documents.json"
    path.write_text(content)
    arguments = ["serve", "--port", str(free_port()), "--workers", str(workers)]
    ended = run(*arguments, env=environment | {"SLOTWRIGHT_DOCUMENTS": str(path)})
    assert ended.status == 2
    (said,) = ended.errors.splitlines()
    assert said.startswith("slotwright: SLOTWRIGHT_DOCUMENTS: ")
    assert reason in said


def test_listed_documents_run_and_no_others(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    path.write_text(json.dumps({f"sha256:{sha256(HELLO.encode()).hexdigest()}": HELLO}))
    env = environment | {
        "SLOTWRIGHT_DOCUMENTS": str(path),
        "SLOTWRIGHT_DEFAULT_ORGANIZATION": "salon",
    }
    make_organization("salon", env=environment)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running("serve", "--port", str(port), env=env, log=tmp_path / "log") as api:
        api.wait_until_answering(f"{base}/livez")
        assert ask(base, HELLO) == {"data": {"__typename": "Query"}}
        (error,) = ask(base, "query Hello { again: __typename }")["errors"]
        assert error["extensions"]["code"] == "QUERY_NOT_IN_SAFELIST"
