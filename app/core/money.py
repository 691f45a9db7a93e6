"""Money and the price of cancelling late: integers in minor units, never fractions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in the minor unit of an ISO 4217 currency: 1250 EUR cents, 1250 yen, 1250 Kuwaiti
    fils.
    """

    amount_minor: int
    currency: str


class LateCancellation(StrEnum):
    """What happens to a cancellation after the free time has passed."""

    ALLOWED = "ALLOWED"
    FEE = "FEE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationPolicy:
    """Free until so many elapsed minutes before the start; afterwards as `late_cancellation` says.

    Cancelling is free again for `grace_minutes` after the booking, until the start. With
    `charges_no_show` a no-show costs what a late cancellation does. With FEE exactly one of
    `late_fee` (a fixed amount) and `late_fee_percent` (1 to 100, of the service's price) is set;
    otherwise neither is.
    """

    free_until_minutes_before: int = 0
    late_cancellation: LateCancellation = LateCancellation.ALLOWED
    late_fee: Money | None = None
    late_fee_percent: int | None = None
    grace_minutes: int = 0
    charges_no_show: bool = False
