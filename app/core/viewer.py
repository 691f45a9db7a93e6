"""Who asks, and what they may see and do. Every question of permission is answered
here, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.core.events import Author
from app.core.ids import ProviderId
from app.core.lifecycle import Actor
from app.core.overrides import NO_OVERRIDE, Override
from app.core.slots import reasons_for_others

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.core.appointment import Appointment, ManageLink
    from app.core.ids import CustomerId, OrganizationId, SubjectId
    from app.core.overrides import RuleSetAside
    from app.core.slots import UnbookableReason


class Role(StrEnum):
    """What a caller is to the organization."""

    ANONYMOUS = "ANONYMOUS"
    CUSTOMER = "CUSTOMER"
    PROVIDER = "PROVIDER"
    RECEPTION = "RECEPTION"
    ADMIN = "ADMIN"


_ACTOR_OF_ROLE: Final = {
    Role.ANONYMOUS: Actor.GUEST,
    Role.CUSTOMER: Actor.CUSTOMER,
    Role.PROVIDER: Actor.PROVIDER,
    Role.RECEPTION: Actor.RECEPTION,
    Role.ADMIN: Actor.ADMIN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A caller, as their token and the organization's records say.

    `customer_id` is None for a signed-in customer who has not booked yet, `provider_id` for a
    provider's token whose subject no provider has. `manages` is the one appointment that a manage
    token, used as a bearer token, opens. `expires_at` is when the token ends, by the real clock;
    `token_id` is what it can be revoked by. `address` is where the request came from.
    `verified_phone` is the number that the token calls verified, as it spells it.
    """

    organization_id: OrganizationId
    role: Role = Role.ANONYMOUS
    subject: str | None = None
    name: str | None = None
    email: str | None = None
    verified_phone: str | None = None
    provider_id: ProviderId | None = None
    customer_id: CustomerId | None = None
    manages: ManageLink | None = None
    expires_at: datetime | None = None
    token_id: str | None = None
    address: str | None = None

    @property
    def is_admin(self) -> bool:
        """An administrator may do everything in their organization."""
        return self.role is Role.ADMIN

    @property
    def runs_practice(self) -> bool:
        """Reception and administrators run the day in all calendars, of providers and resources."""
        return self.role in {Role.ADMIN, Role.RECEPTION}

    @property
    def is_staff(self) -> bool:
        """Staff see how providers can be reached and why they are away."""
        return self.runs_practice or self.role is Role.PROVIDER

    @property
    def may_book(self) -> bool:
        """Everybody may book but the bearer of a manage token, which is good for its one
        appointment only.
        """
        return self.manages is None

    @property
    def sees_staff_matters(self) -> bool:
        """How providers can be reached, whose tokens act for them, and why they are away."""
        return self.is_staff

    @property
    def sees_archived(self) -> bool:
        """Archived providers, services and resources, by their ids and in lists that include
        them. For others they do not exist, but in the visits that took them.
        """
        return self.is_staff

    def reasons_shown(self, reasons: tuple[UnbookableReason, ...]) -> tuple[UnbookableReason, ...]:
        """Why a time can't be booked, as the caller may know it."""
        return reasons if self.sees_staff_matters else reasons_for_others(reasons)

    @property
    def sees_all_appointments(self) -> bool:
        """Whether the list of the caller's appointments is that of the whole organization."""
        return self.runs_practice

    @property
    def sees_all_sessions(self) -> bool:
        """Whether the list of sessions is that of the whole organization. Other staff see those
        that they take part in, and nobody else sees any.
        """
        return self.runs_practice

    def sees_session_of(self, provider_ids: Iterable[ProviderId]) -> bool:
        """Whether the caller may see a session that these take part in, and who else has seats
        there. Customers never learn of one another.
        """
        return self.runs_any(provider_ids)

    def sees_calendar_of(self, provider_id: ProviderId) -> bool:
        """Whether the caller may list this provider's appointments."""
        return self.runs(provider_id)

    def sees_history_of(self, appointment: Appointment) -> bool:
        """Those who run its calendar see the history of an appointment, with the actors."""
        return self.runs_any(appointment.providers)

    def runs(self, provider_id: ProviderId) -> bool:
        """Whether the caller may act for this provider: reception and administrators for all, a
        provider for themselves.
        """
        is_theirs = self.role is Role.PROVIDER and self.provider_id == provider_id
        return self.runs_practice or is_theirs

    def changes_busy(self, subject_id: SubjectId) -> bool:
        """Whether the caller may change the busy times of this provider or resource, and see where
        they come from.
        """
        return self.runs(ProviderId(subject_id))

    def may_take(self, provider_ids: Iterable[ProviderId]) -> bool:
        """Whether the caller may book and hold time of these: a provider only where they are one of
        them.
        """
        return self.role is not Role.PROVIDER or self.runs_any(provider_ids)

    def override(self, rules: Iterable[RuleSetAside]) -> Override | None:
        """The caller's override of these rules; None where they may set none aside. Reception and
        administrators set them aside for the whole visit, providers for themselves only.
        """
        ignored = frozenset(rules)
        if not ignored:
            return NO_OVERRIDE
        if self.runs_practice:
            return Override(ignored)
        is_provider = self.role is Role.PROVIDER and self.provider_id is not None
        return Override(ignored, self.provider_id) if is_provider else None

    def runs_any(self, provider_ids: Iterable[ProviderId]) -> bool:
        """Whether the caller may act for one of these providers: those of a visit have the same
        rights over it.
        """
        return any(self.runs(provider_id) for provider_id in provider_ids)

    @property
    def author(self) -> Author:
        """The caller as the author of a change that is about no appointment."""
        actor = _ACTOR_OF_ROLE[self.role] if self.manages is None else Actor.MANAGE_TOKEN
        return Author(actor=actor, subject=self.subject)

    def actor_on(self, appointment: Appointment) -> Actor:
        """As whom the caller acts on an appointment that they see, or just booked."""
        if self.runs_practice:
            return _ACTOR_OF_ROLE[self.role]
        if self.runs_any(appointment.providers):
            return Actor.PROVIDER
        if self.role is Role.CUSTOMER:
            return Actor.CUSTOMER
        return Actor.MANAGE_TOKEN if self.has_link_to(appointment) else Actor.GUEST

    def has_link_to(self, appointment: Appointment) -> bool:
        """Whether the caller's manage token, used as a bearer token, opens the appointment now."""
        return self.manages is not None and self.manages.opens(appointment)

    def owns(self, appointment: Appointment) -> bool:
        """Whether the appointment was booked by the caller's own customer account."""
        return self.role is Role.CUSTOMER and self.customer_id == appointment.customer_id

    def sees(self, appointment: Appointment) -> bool:
        """Whether the caller may read the appointment: its customer, its providers,
        reception, administrators, its manage token.
        """
        return (
            self.runs_any(appointment.providers)
            or self.owns(appointment)
            or self.has_link_to(appointment)
        )

    def sees_record(self, customer_id: CustomerId) -> bool:
        """Whether the caller may read and change this customer's record: reception,
        administrators, and the signed-in customer themselves.

        Providers and manage tokens may not: guests share a record by their e-mail, so anybody's
        appointment with that e-mail would open it. A provider sees a customer whom they serve with
        the contact that was given for a visit with them.
        """
        return self.sees_all_customers or (
            self.role is Role.CUSTOMER and self.customer_id == customer_id
        )

    def exports(self, customer_id: CustomerId) -> bool:
        """Whether the caller may have everything that is stored about this customer: those who may
        erase it, and the signed-in customer themselves.
        """
        return self.is_admin or (self.role is Role.CUSTOMER and self.customer_id == customer_id)

    @property
    def sees_all_customers(self) -> bool:
        """Whether the caller finds all of the organization's customers. A provider finds those whom
        they serve, and nobody else finds any.
        """
        return self.runs_practice

    @property
    def makes_customers(self) -> bool:
        """Whether the caller may enter a customer who has not booked, and give external ids."""
        return self.sees_all_customers or (
            self.role is Role.PROVIDER and self.provider_id is not None
        )
