"""The keys in Redis that belong to free times, each made here: what it holds, for how long, and who
writes it.

Every key carries the hash tag of its organization, and every script declares all keys that it
touches, each of one organization: in a Redis Cluster an organization's free times lie on one node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.core.ids import OrganizationId, OwnerId, ServiceId
    from app.core.rules import Rules

DAY_LIFETIME_MS: Final = 60_000
"""How long free days are kept: as long as an old list may live where its invalidation was lost."""

STAMP_LIFETIME_SECONDS: Final = 3_600
"""How long a provider's stamp outlives the last fill. It has to outlive the days under it."""

NEW_STAMP_LIFETIME_SECONDS: Final = 120
"""How long a stamp lives that nothing was kept under yet: anybody can ask for providers that do not
exist.
"""

# the number is the format's; raise it with every change of `packing` or of what a key holds
_PREFIX: Final = "slotwright:free:6"


def stamp_key(organization_id: OrganizationId, owner_id: OwnerId) -> str:
    """The stamp of a subject or a service; see the package's docstring. Made by the first reader,
    changed by whatever changes the owner's time or rules.
    """
    return f"{_PREFIX}:{{{organization_id.hex}}}:{owner_id.hex}"


def shape(rules: Rules) -> str:
    """What of the rules decides over free days, as 12 hexadecimal digits: equal for rules that give
    equal days.

    Each of the three is at most a day in minutes, so none is cut. Step, notice and horizon are
    applied on reading.
    """
    return (
        f"{rules.duration_minutes:04x}{rules.buffer_before_minutes:04x}"
        f"{rules.buffer_after_minutes:04x}"
    )


def visits(service_id: ServiceId | None) -> str:
    """In place of a shape: the visits that start on a date, for limits; all of a provider, or those
    of a service that the provider leads.
    """
    return "visits" if service_id is None else f"visits:{service_id.hex}"


def day_key(stamp: str, shape_name: str, number: int) -> str:
    """The free times, or the visits, on a provider-local date, by its number;
    `DAY_LIFETIME_MS`.
    """
    return f"{stamp}:{shape_name}:{number}"
