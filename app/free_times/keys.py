"""The keys in Redis that belong to the slot cache, each made here: what stands there, how long, and
who writes it.

They are read by one MGET and written by scripts that make further names from the ones they are
given, so this Redis is one server (with replicas, if you like), not a Redis Cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.core.ids import OrganizationId, ProviderId
    from app.core.rules import Rules

DAY_LIFETIME_MS: Final = 60_000
"""How long free starts are kept: as long as an old list may live where its invalidation was lost.
"""

STAMP_LIFETIME_SECONDS: Final = 3_600
"""How long a provider's stamp outlives the last fill. It only needs to outlive the days that it
vouches for.
"""

NEW_STAMP_LIFETIME_SECONDS: Final = 120
"""How long a stamp lives that nothing was kept under yet: anybody can ask for providers that do not
exist.
"""

LEASE_LIFETIME_MS: Final = 2_000
"""A computation that takes longer, or died, is made by somebody else too."""

# the number is the format's; raise it with every change of `packing` or a script
_PREFIX: Final = "slotwright:free:5"


def run_key() -> str:
    """Which run of Redis this is: set by every new connection (see `connection`), so that what an
    older run kept on disk is never believed.
    """
    return f"{_PREFIX}:run"


def stamp_key(organization_id: OrganizationId, provider_id: ProviderId) -> str:
    """A provider's stamp; see `slots`. Begun by the first reader, changed by whoever changes the
    provider's time.
    """
    return f"{_PREFIX}:{organization_id.hex}:{provider_id.hex}"


def rule_set(rules: Rules) -> str:
    """What of the rules decides over free days, as 12 hexadecimal digits: equal for rules that give
    equal days.

    Each of the three is at most a day in minutes, so none is cut. Step, notice and horizon are
    applied on reading.
    """
    return (
        f"{rules.duration_minutes:04x}{rules.buffer_before_minutes:04x}"
        f"{rules.buffer_after_minutes:04x}"
    )


def day_key(stamp: str, rules: str, number: int) -> str:
    """The free starts on a provider-local date, by its number; `DAY_LIFETIME_MS`. The scripts make
    this name too.
    """
    return f"{stamp}:{rules}:{number}"


def lease_key(stamp: str, rules: str) -> str:
    """Held by the process that computes days of this provider under these rules;
    `LEASE_LIFETIME_MS`.
    """
    return f"{stamp}:{rules}:lease"
