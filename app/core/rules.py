"""The rules in force for a booking: the provider's own, refined by the service's where one is
named.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRules:
    """What a provider has set for every booking."""

    service_duration_minutes: int
    """Length of a visit; at least 1, at most 1440."""
    buffer_minutes: int = 0
    """Kept free after each visit."""
    slot_interval_minutes: int | None = None
    """Distance of the grid's starts; None: duration + buffers."""
    min_notice_minutes: int = 0
    """Elapsed minutes that a booking must precede its start by."""
    max_advance_booking_days: int = 60
    """How many dates ahead of today, in the provider's zone, a start may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """What a service asks for. None means the provider's own; nothing is before a visit unless a
    service says so.
    """

    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int | None = None
    slot_interval_minutes: int | None = None
    min_notice_minutes: int | None = None
    max_advance_booking_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules in force. A value: two equal ones give equal times, so it can be part of a cache's
    key.
    """

    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    slot_interval_minutes: int | None = None
    min_notice_minutes: int = 0
    max_advance_booking_days: int = 60

    @property
    def step_minutes(self) -> int:
        """Distance of the grid's starts in a window, elapsed: the slot interval, else the visit
        with its buffers.
        """
        if self.slot_interval_minutes is not None:
            return self.slot_interval_minutes
        return self.buffer_before_minutes + self.duration_minutes + self.buffer_after_minutes

    @property
    def shape(self) -> Rules:
        """What of these decides over possible starts: duration and buffers. Equal shapes give equal
        stretches.
        """
        return Rules(
            duration_minutes=self.duration_minutes,
            buffer_before_minutes=self.buffer_before_minutes,
            buffer_after_minutes=self.buffer_after_minutes,
        )


def rules_in_force(provider: ProviderRules, service: ServiceRules | None) -> Rules:
    """The provider's rules, each replaced by the service's where the service has one.

    A slot interval that only the provider has holds for the service too; where neither has one, the
    step is the duration and buffers in force here, not those of the provider's own visits.
    """
    if service is None:
        return Rules(
            duration_minutes=provider.service_duration_minutes,
            buffer_before_minutes=0,
            buffer_after_minutes=provider.buffer_minutes,
            slot_interval_minutes=provider.slot_interval_minutes,
            min_notice_minutes=provider.min_notice_minutes,
            max_advance_booking_days=provider.max_advance_booking_days,
        )
    return Rules(
        duration_minutes=service.duration_minutes,
        buffer_before_minutes=service.buffer_before_minutes,
        buffer_after_minutes=_or_own(service.buffer_after_minutes, provider.buffer_minutes),
        slot_interval_minutes=(
            provider.slot_interval_minutes
            if service.slot_interval_minutes is None
            else service.slot_interval_minutes
        ),
        min_notice_minutes=_or_own(service.min_notice_minutes, provider.min_notice_minutes),
        max_advance_booking_days=_or_own(
            service.max_advance_booking_days, provider.max_advance_booking_days
        ),
    )


def _or_own(refined: int | None, own: int) -> int:
    return own if refined is None else refined
