"""The receivers of docs/webhooks.md verify what the program signs, and refuse everything else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from standardwebhooks import WebhookVerificationError

from app.core.webhooks import PAUSES
from app.identity.signatures import Signer
from app.usecases.webhooks.edit_webhook import new_secret

PAGE: Final = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
BODY: Final = json.dumps({"type": "APPOINTMENT_BOOKED", "data": {"version": 1}}, indent=1)
RUN: Final = """
    const {secret, headers, body} = JSON.parse(require("fs").readFileSync(0, "utf8"));
    try { console.log(JSON.stringify(eventOf(secret, headers, body))); }
    catch (error) { console.log(JSON.stringify(error.message)); }
"""

EventOf = Callable[[str, dict[str, str], str], object]


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def signed(secret: str, *, age_seconds: int = 0, also: str | None = None) -> dict[str, str]:
    """The headers of a message, as a worker writes them."""
    at = datetime.fromtimestamp(int(time.time()) - age_seconds, tz=UTC)
    signatures = [
        Signer.of(each).sign("evt", at, BODY.encode())
        for each in (secret, also)
        if each is not None
    ]
    return {
        "webhook-id": "evt",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def in_python(secret: str, headers: dict[str, str], body: str) -> object:
    scope: dict[str, Any] = {}
    exec(snippet("python"), scope)  # noqa: S102  our own page
    try:
        return scope["event_of"](secret, headers, body.encode())
    except WebhookVerificationError as error:
        return str(error)


def in_node(secret: str, headers: dict[str, str], body: str) -> object:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here")
    done = subprocess.run(
        [node, "-e", snippet("js") + RUN],
        input=json.dumps({"secret": secret, "headers": headers, "body": body}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("event_of", [in_python, in_node])
def test_a_receiver_of_the_page_takes_what_was_signed_and_nothing_else(event_of: EventOf) -> None:
    secret, other = new_secret(), new_secret()
    event = json.loads(BODY)
    assert event_of(secret, signed(secret), BODY) == event
    assert event_of(secret, signed(other, also=secret), BODY) == event, "in a rotation"
    for headers, body in (
        (signed(other), BODY),
        (signed(secret), BODY.replace("1", "2")),
        (signed(secret, age_seconds=600), BODY),
        (signed(secret, age_seconds=-600), BODY),
        ({**signed(secret), "webhook-id": "another"}, BODY),
        ({**signed(secret), "webhook-signature": "v1,"}, BODY),
        ({**signed(secret), "webhook-signature": "v2,AAAA"}, BODY),
    ):
        assert isinstance(event_of(secret, headers, body), str), "refused, with a reason"


def test_the_page_says_the_pauses_of_the_program() -> None:
    said = [f"{pause.seconds} s" for pause in PAUSES[:3]]
    minutes = [int(pause.total_seconds() // 60) for pause in PAUSES[3:8]]
    hours = [int(pause.total_seconds() // 3600) for pause in PAUSES[8:]]
    said += [f"{', '.join(map(str, minutes[:-1]))} and {minutes[-1]} min"]
    said += [f"{', '.join(map(str, hours[:-1]))} and {hours[-1]} h"]
    assert ", ".join(said) in " ".join(PAGE.split())
