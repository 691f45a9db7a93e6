"""Overrides: known examples. The oracle of visits knows them at random."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.core.hours import Hours, WeeklyRange
from app.core.ids import OrganizationId, ProviderId
from app.core.overrides import NO_OVERRIDE, REASONS, Override, RuleSetAside
from app.core.rules import Rules
from app.core.slots import Claim, UnbookableReason, explain
from app.core.viewer import Role, Viewer

R = UnbookableReason
ADA, BOB = ProviderId(UUID(int=1)), ProviderId(UUID(int=2))
NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
HOURS = Hours(
    time_zone="UTC", weekly=tuple(WeeklyRange(day, 540, 1020) for day in range(7)), exceptions={}
)
EVERYTHING = frozenset(RuleSetAside)


def test_every_reason_is_set_aside_by_one_rule_or_by_none() -> None:
    """None: what is taken, and what is past. The customer's own limits are no question of time."""
    named = [reason for reasons in REASONS.values() for reason in reasons]
    assert len(named) == len({*named})
    assert {*R} - {*named} == {
        R.IN_THE_PAST,
        R.ALREADY_TAKEN,
        R.BUFFER,
        R.HELD,
        R.NOBODY_FREE,
        R.RESOURCE_TAKEN,
        R.NO_SEATS_LEFT,
        R.CUSTOMER_BUSY,
    }


def test_an_override_of_one_provider_says_nothing_of_anybody_else() -> None:
    override = Override(EVERYTHING, ADA)
    assert override.of_provider(ADA) == Override(EVERYTHING).of_provider(BOB)
    assert override.of_provider(BOB) == override.of_resources == frozenset()
    assert not override.exceeds_what_customers_may_have
    assert Override(EVERYTHING).exceeds_what_customers_may_have
    assert not Override(EVERYTHING - {RuleSetAside.LIMITS}).exceeds_what_customers_may_have
    assert NO_OVERRIDE.of_provider(ADA) == NO_OVERRIDE.of_resources == frozenset()


@pytest.mark.parametrize("seconds", [1, 30, 59])
def test_nothing_begins_between_two_minutes(seconds: int) -> None:
    """Neither in open time nor outside of it, where there is no grid."""
    set_aside = Override(EVERYTHING).of_provider(ADA)
    for start in (NOW.replace(hour=7), NOW.replace(hour=9)):
        between = start + timedelta(seconds=seconds)
        rules = Rules(duration_minutes=60)
        assert explain(HOURS, rules, (), start, NOW, set_aside=set_aside) == ()
        assert explain(HOURS, rules, (), between, NOW, set_aside=set_aside) == (R.NOT_ON_GRID,)


def test_what_is_taken_is_a_reason_whatever_is_set_aside() -> None:
    nine = NOW.replace(hour=9)
    start = int(nine.timestamp()) // 60
    claim = Claim(start, start + 60, start, start + 60)
    set_aside = Override(EVERYTHING).of_provider(ADA)
    rules = Rules(duration_minutes=60)
    found = explain(HOURS, rules, [claim], nine + timedelta(minutes=59), NOW, set_aside=set_aside)
    assert found == (R.ALREADY_TAKEN,)


def test_reception_and_administrators_set_aside_everything_and_providers_what_is_theirs() -> None:
    """Nobody else sets anything aside, and a provider's token that no provider has does not
    either.
    """
    organization_id = OrganizationId(UUID(int=9))
    for role in Role:
        viewer = Viewer(
            organization_id=organization_id,
            role=role,
            provider_id=ADA if role is Role.PROVIDER else None,
        )
        assert viewer.override([]) == NO_OVERRIDE
        assert viewer.override(EVERYTHING) == {
            Role.ADMIN: Override(EVERYTHING),
            Role.RECEPTION: Override(EVERYTHING),
            Role.PROVIDER: Override(EVERYTHING, ADA),
        }.get(role)
    nobody = Viewer(organization_id=organization_id, role=Role.PROVIDER)
    assert nobody.override(EVERYTHING) is None
