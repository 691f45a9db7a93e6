"""The types of objects that may have an organization's own id, unique within each type."""

from __future__ import annotations

from enum import StrEnum


class ExternalType(StrEnum):
    """A type of things that may have an external id."""

    PROVIDER = "PROVIDER"
    SERVICE = "SERVICE"
    RESOURCE = "RESOURCE"
    LOCATION = "LOCATION"
    CUSTOMER = "CUSTOMER"
    APPOINTMENT = "APPOINTMENT"
