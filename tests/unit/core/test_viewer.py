"""Who may see and do what, as one table: every question of permission for every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from app.core.appointment import Appointment, AppointmentStatus, Contact, ManageLink
from app.core.ids import AppointmentId, CustomerId, OrganizationId, ProviderId
from app.core.money import CancellationPolicy
from app.core.viewer import Role, Viewer

ORGANIZATION: Final = OrganizationId(UUID(int=1))
ADA, BEN = ProviderId(UUID(int=10)), ProviderId(UUID(int=11))
OTHER = ProviderId(UUID(int=12))
ROBIN, NOOR = CustomerId(UUID(int=20)), CustomerId(UUID(int=21))
VISIT, OTHER_VISIT = AppointmentId(UUID(int=30)), AppointmentId(UUID(int=31))

START: Final = datetime(2026, 1, 13, 10, tzinfo=UTC)
ROBINS_WITH_ADA: Final = Appointment(
    id=VISIT,
    provider_id=ADA,
    service_id=None,
    customer_id=ROBIN,
    status=AppointmentStatus.CONFIRMED,
    starts_at=START,
    ends_at=START + timedelta(hours=1),
    customer_time_zone="UTC",
    contact=Contact(name="Robin", email="robin@example.com", phone=None, locale=None),
    notes=None,
    version=1,
    time_version=1,
    price=None,
    cancellation_policy=CancellationPolicy(),
    created_at=START,
    cancelled_at=None,
    cancellation_reason=None,
    cancellation_fee=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a caller may: look at Ada's private data, act for Ada, see Robin's visit, see Robin's
    record, book.
    """

    staff: bool = False
    runs: bool = False
    sees: bool = False
    sees_customer: bool = False
    books: bool = True


def viewer(role: Role = Role.ANONYMOUS, **known: object) -> Viewer:
    return Viewer(organization_id=ORGANIZATION, role=role, **known)  # type: ignore[arg-type]  # the table says what


TABLE: Final = {
    "nobody": (viewer(), Row()),
    "an administrator": (
        viewer(Role.ADMIN, subject="admin"),
        Row(staff=True, runs=True, sees=True, sees_customer=True),
    ),
    "reception": (
        viewer(Role.RECEPTION, subject="reception"),
        Row(staff=True, runs=True, sees=True, sees_customer=True),
    ),
    "its provider": (
        viewer(Role.PROVIDER, provider_id=ADA),
        Row(staff=True, runs=True, sees=True),
    ),
    "another provider": (viewer(Role.PROVIDER, provider_id=BEN), Row(staff=True)),
    "a provider's token without a provider": (viewer(Role.PROVIDER, subject="x"), Row(staff=True)),
    "its customer": (viewer(Role.CUSTOMER, customer_id=ROBIN), Row(sees=True, sees_customer=True)),
    "another customer": (viewer(Role.CUSTOMER, customer_id=NOOR), Row()),
    "a customer without a record": (viewer(Role.CUSTOMER, subject="new"), Row()),
    "its manage token": (viewer(manages=ManageLink(VISIT)), Row(sees=True, books=False)),
    "its former manage token": (viewer(manages=ManageLink(VISIT, 1)), Row(books=False)),
    "another manage token": (viewer(manages=ManageLink(OTHER_VISIT)), Row(books=False)),
    # An id alone is no role: only the role of a caller decides.
    "nobody, with a provider's id": (viewer(provider_id=ADA), Row()),
    "nobody, with a customer's id": (viewer(customer_id=ROBIN), Row()),
    "a customer, with a provider's id": (
        viewer(Role.CUSTOMER, customer_id=NOOR, provider_id=ADA),
        Row(),
    ),
    "a provider, with a customer's id": (
        viewer(Role.PROVIDER, provider_id=BEN, customer_id=ROBIN),
        Row(staff=True),
    ),
}


@pytest.mark.parametrize(("caller", "may"), TABLE.values(), ids=TABLE.keys())
def test_the_role_decides_and_the_table_says_what(caller: Viewer, may: Row) -> None:
    assert (
        Row(
            staff=caller.is_staff,
            runs=caller.runs(ADA),
            sees=caller.sees(ROBINS_WITH_ADA),
            sees_customer=caller.sees_record(ROBIN),
            books=caller.may_book,
        )
        == may
    )


@pytest.mark.parametrize("caller", [caller for caller, _ in TABLE.values()], ids=TABLE.keys())
def test_seeing_the_record_is_seeing_the_appointment(caller: Viewer) -> None:
    """No caller knows more of the customer than of the visit."""
    assert caller.sees(ROBINS_WITH_ADA) or not caller.sees_record(ROBIN)
    assert not caller.runs_practice or caller.is_staff
    assert not caller.is_admin or caller.runs_practice


@pytest.mark.parametrize(("caller", "may"), TABLE.values(), ids=TABLE.keys())
def test_a_session_is_seen_by_those_who_run_one_of_its_calendars(caller: Viewer, may: Row) -> None:
    """Its customers, and the links of their appointments, never see it."""
    assert caller.sees_session_of((ADA,)) == may.runs
    assert caller.sees_session_of((OTHER, ADA)) == may.runs
    assert not caller.sees_session_of((OTHER,)) or caller.runs_practice
    assert caller.sees_all_sessions == caller.runs_practice
