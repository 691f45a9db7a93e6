"""The rules of webhooks: retries, order, health, and when one is switched off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.events import EventType
from app.core.ids import WebhookId
from app.core.webhooks import (
    AT_ONCE,
    HOLDS_BACK,
    LONGEST_REST,
    MOST_ATTEMPTS,
    PAUSES,
    PROBLEM_LENGTH,
    RESTS_FROM,
    SWITCH_OFF_AFTER,
    WELL,
    Closed,
    DeliveryStatus,
    DisabledReason,
    Failed,
    Health,
    Succeeded,
    Webhook,
    close,
    health_after,
    outcome_of,
    pause_after,
    why_switched_off,
)

NOW = datetime(2026, 1, 12, 8, tzinfo=UTC)
OK = Succeeded(status=200)
BROKEN = Failed(status=500, problem="the receiver answered 500")
SILENT = Failed(status=None, problem="The answer took too long.")
GONE = Failed(status=410, problem="the receiver answered 410")

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def after(*steps: tuple[Succeeded | Failed, float], health: Health = WELL) -> Health:
    """Tries that begin and end at these seconds after NOW."""
    for outcome, seconds in steps:
        at = NOW + timedelta(seconds=seconds)
        health = health_after(health, outcome, begun_at=at, now=at, chance=0)
    return health


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_success_is_a_delivery(status: int) -> None:
    assert outcome_of(status, "whatever") == Succeeded(status=status)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 308, 400, 404, 410, 429, 500, 503, 599]
)
def test_every_other_status_is_a_failure_a_redirect_too(status: int) -> None:
    assert outcome_of(status, "") == Failed(
        status=status, problem=f"the receiver answered {status}"
    )


def test_what_a_receiver_says_is_kept_on_one_line_and_cut() -> None:
    found = outcome_of(500, "<html>\r\n\0 oops\t" + "x" * 10_000)
    assert isinstance(found, Failed)
    assert found.problem.startswith("the receiver answered 500: <html> oops xxx")
    assert len(found.problem) == PROBLEM_LENGTH
    assert found.problem.isprintable()


# ---------------------------------------------------------------- retries


def test_a_failing_delivery_is_tried_for_about_three_days() -> None:
    assert timedelta(days=2.8) < sum(PAUSES, timedelta()) < timedelta(days=3.2)


def test_several_tries_lie_within_the_time_for_which_later_events_wait() -> None:
    at, within = timedelta(), 1
    for pause in PAUSES:
        at += pause
        within += at < HOLDS_BACK
    assert within >= 6


@given(chances, chances)
def test_pauses_grow_whatever_the_jitter(one: float, other: float) -> None:
    for attempts in range(1, len(PAUSES)):
        before, later = pause_after(attempts, one), pause_after(attempts + 1, other)
        assert before is not None
        assert later is not None
        assert PAUSES[attempts - 1] <= before < later


@given(st.integers(1, MOST_ATTEMPTS), chances)
def test_a_failed_try_is_repeated_until_the_last(attempts: int, chance: float) -> None:
    found = close(SILENT, attempts=attempts, by_hand=False, now=NOW, chance=chance)
    if attempts == MOST_ATTEMPTS:
        assert found == Closed(status=DeliveryStatus.FAILED, next_attempt_at=None)
    else:
        assert found.status is DeliveryStatus.PENDING
        assert found.next_attempt_at is not None
        assert found.next_attempt_at >= NOW + PAUSES[attempts - 1]


def test_a_success_ends_a_delivery_and_410_does_too() -> None:
    assert close(OK, attempts=3, by_hand=False, now=NOW, chance=0) == Closed(
        status=DeliveryStatus.DELIVERED, next_attempt_at=None
    )
    assert close(GONE, attempts=1, by_hand=False, now=NOW, chance=0) == Closed(
        status=DeliveryStatus.FAILED, next_attempt_at=None
    )


def test_what_is_sent_by_hand_is_tried_once() -> None:
    assert close(BROKEN, attempts=1, by_hand=True, now=NOW, chance=0) == Closed(
        status=DeliveryStatus.FAILED, next_attempt_at=None
    )


# ---------------------------------------------------------------- health


def test_failures_in_a_row_make_a_receiver_rest_longer_and_longer_but_not_for_long() -> None:
    health, at, rests = WELL, 0.0, []
    for _ in range(20):
        health = after((SILENT, at), health=health)
        until = health.rests_until
        rests.append(0.0 if until is None else (until - NOW).total_seconds() - at)
        at += rests[-1] + 1
    assert rests[: RESTS_FROM + 3] == [0, 0, 1, 2, 4, 8]
    assert rests[-1] == LONGEST_REST.total_seconds()
    assert rests == sorted(rests)
    assert health.failing_since == NOW


def test_one_outage_counts_once_however_many_requests_it_fails() -> None:
    health = WELL
    for ended in range(AT_ONCE):
        health = health_after(
            health,
            SILENT,
            begun_at=NOW,
            now=NOW + timedelta(seconds=15, milliseconds=ended),
            chance=0,
        )
    assert health.failures == 1
    assert health.at_once == AT_ONCE


def test_a_failing_receiver_is_tried_with_one_request_until_a_success_makes_it_well() -> None:
    health = after((BROKEN, 0), (BROKEN, 1), (BROKEN, 2))
    assert health.at_once == 1
    assert health.rests_at(NOW + timedelta(seconds=2.5))
    assert not health.rests_at(NOW + timedelta(seconds=3))
    assert after((OK, 3), health=health) == WELL


# ---------------------------------------------------------------- switched off


def test_410_switches_off_at_once() -> None:
    assert why_switched_off(after((GONE, 0)), [OK, GONE], NOW) is DisabledReason.GONE


def test_five_days_without_a_success_switch_off_and_no_less() -> None:
    health = after((SILENT, 0), (BROKEN, 60))
    just = NOW + SWITCH_OFF_AFTER
    assert why_switched_off(health, [SILENT], just) is DisabledReason.FAILING
    assert why_switched_off(health, [SILENT], just - timedelta(seconds=1)) is None
    assert why_switched_off(after((OK, 90), health=health), [OK], just) is None


# ---------------------------------------------------------------- what is wanted


def a_webhook(*types: EventType) -> Webhook:
    return Webhook(
        id=WebhookId(UUID(int=1)),
        url="https://crm.example/hook",
        types=frozenset(types) or None,
        is_active=True,
        disabled_reason=None,
        created_at=NOW,
    )


def test_a_webhook_gets_the_types_that_were_chosen_or_all_but_never_the_tests_of_others() -> None:
    chosen = a_webhook(EventType.APPOINTMENT_BOOKED, EventType.WEBHOOK_TESTED)
    assert [each for each in EventType if chosen.wants(each)] == [EventType.APPOINTMENT_BOOKED]
    everything = a_webhook()
    assert {each for each in EventType if not everything.wants(each)} == {EventType.WEBHOOK_TESTED}
