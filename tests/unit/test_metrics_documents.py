"""The metrics and limits in the documentation are those of the program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

import app.telemetry.metrics
from app.api.transport import Limits
from app.core.allowance import A_DAY
from app.identity import jwks, revocations
from app.process.connections import MOST_HEAD_BYTES
from app.settings import ConnectionSettings, LimitSettings, RetentionSettings
from app.usecases.booking.hold_slot import HOLDS_OF_ADDRESS

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docs" / "grafana" / "slotwright.json"
RULES = ROOT / "docs" / "prometheus" / "slotwright.rules.yml"
OPERATIONS = ROOT / "docs" / "operations.md"
SERIES = re.compile(r"\bslotwright_[a-z_]+[a-z]\b")


def known() -> set[str]:
    names: set[str] = set()
    for metric in REGISTRY.collect():
        endings = {"counter": ["_total"], "histogram": ["", "_bucket", "_count", "_sum"]}.get(
            metric.type, [""]
        )
        names |= {metric.name + ending for ending in endings}
    return names


@pytest.mark.parametrize("path", [DASHBOARD, OPERATIONS, RULES], ids=lambda path: path.name)
def test_every_series_that_is_named_exists(path: Path) -> None:
    named = set(SERIES.findall(path.read_text(encoding="utf-8"))) - {"slotwright_restored"}
    assert len(named) > 5
    assert named - known() == set()


def test_the_dashboard_shows_every_series_of_ours() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    shown = {
        re.sub(r"_(total|bucket)$", "", name)
        for panel in board["panels"]
        for target in panel["targets"]
        for name in SERIES.findall(target["expr"])
    }
    ours = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("slotwright_")}
    assert shown == ours
    assert {f"slotwright_{name}" for name in ("operations", "lock_seconds")} <= ours, (
        app.telemetry.metrics.__name__
    )


def test_there_is_an_alert_for_everything_that_somebody_is_paged_for() -> None:
    alerts = [
        alert
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for alert in group["rules"]
    ]
    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        assert set(alert["annotations"]) == {"summary", "description"}, alert["alert"]
    watched = {
        name.removesuffix("_bucket") for alert in alerts for name in SERIES.findall(alert["expr"])
    }
    table = OPERATIONS.read_text(encoding="utf-8").split("## What to watch")[1].split("\n\n")[2]
    for row in table.splitlines()[2:]:
        _, _, series, when, _ = re.split(r"(?<!\\)\|", row)
        assert watched & set(SERIES.findall(series)) or when.strip().startswith("never"), row


def test_the_limits_that_are_promised_are_those_in_force() -> None:
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    limits, guests, peers = Limits(), LimitSettings(), ConnectionSettings()
    for promised in (
        f"{limits.body_bytes // 1024} KiB, within {limits.body_seconds:g} s",
        f"{limits.document_characters:,} characters, {limits.tokens:,} tokens",
        f"depth | {limits.depth}, introspection {limits.introspection_depth}",
        f"{limits.aliases}, {limits.root_fields}, {limits.directives} |",
        f"| {limits.cost:,} |",
        (
            f"values of all variables together | {limits.input_items}; {limits.input_fields}; "
            f"{limits.input_values:,} |"
        ),
        (
            f"{limits.operations_per_socket}; {guests.sockets_per_address}; "
            f"{guests.subscriptions_per_caller}"
        ),
        f"{guests.guest_bookings_per_minute} tries a minute",
        f"{guests.guest_bookings_per_contact} open bookings of a contact",
        f"{guests.guest_bookings_per_address} from an address",
        f"{HOLDS_OF_ADDRESS} holds at once",
        f"{guests.guest_bookings_per_address_per_day} made from an address",
        f"at most {guests.messages_per_address_per_day} messages to unverified addresses",
        f"customer: {guests.customer_bookings} open bookings in an organization",
        (
            f"after {guests.messages_per_destination_per_day} within {A_DAY.total_seconds() / 3600:g} "
            "hours, news"
        ),
        f"{peers.header_seconds} s for the head of a request",
        f"{peers.body_seconds} s for its body",
        f"{peers.unread_seconds} s to read what was sent",
        f"{peers.keep_alive_seconds} s between requests",
        f"{limits.init_seconds} s for `connection_init`",
        f"A head has {MOST_HEAD_BYTES // 1024} KiB",
        f"at most {peers.connections_per_address} connections to a process",
        f"everywhere within {revocations.KNOWN_SECONDS:g} seconds",
        f"event streams end within {revocations.KNOWN_SECONDS + limits.recheck_seconds:g}",
        f"ends within {jwks.FRESH_SECONDS / 60:g} minutes",
        f"last keys are used for {jwks.BELIEVED_SECONDS / 3600:g} hours",
        f"within {jwks.FETCH_SECONDS:g} s, up to {jwks.LARGEST_SET_BYTES // 1024} KiB",
    ):
        assert promised in text, promised


def test_the_periods_that_are_reckoned_with_are_the_defaults() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    kept = RetentionSettings()
    for row in (
        f"| `reminder_log` | 3,400 (six e-mails) | {kept.messages_days} days |",
        f"| `hold` and its `claim` | 970 | {kept.holds_days} days |",
        f"six e-mails sent) | {kept.events_days} days |",
        f"| `idempotency_key` | 310 | {kept.keys_hours} hours |",
        f"for good; {kept.erased_history_days} days after an erasure",
    ):
        assert row in text, row
