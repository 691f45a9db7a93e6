"""The senders of messages, and the links in them. A part of `Resources`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.addresses import mailbox
from app.core.appointment import ManageLink
from app.identity.manage import ManageClaims

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId, MessageLogId, OrganizationId
    from app.identity.manage import ManageTokens
    from app.identity.unsubscribe import UnsubscribeTokens
    from app.notify.senders import Senders

LOCAL_DOMAIN = "slotwright.invalid"
"""The right side of Message-IDs where nothing is sent by mail. (RFC 2606: it is nobody's.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messaging:
    """How this deployment sends messages to people.

    `from_address` is the sending address of its mail. `manage_link` makes the address of the page
    where a customer manages an appointment, of its id and manage token. `public_url` is where the
    API is reached from outside. `gateway_token` is what the gateway's reports are signed with.
    `wake` makes the worker check for due messages now; it returns before that, and never raises.
    `daily_limit` is how many messages one destination of customers gets within a day, and
    `daily_limit_of_network` how many to unverified addresses the guests of one network cause; 0 is
    no limit.
    """

    senders: Senders
    manage_tokens: ManageTokens
    unsubscribe_tokens: UnsubscribeTokens
    from_address: str | None
    manage_link: Callable[[AppointmentId, str], str] | None
    public_url: str | None
    gateway_token: str | None = field(repr=False)
    wake: Callable[[], None]
    daily_limit: int
    daily_limit_of_network: int

    @property
    def domain(self) -> str:
        """Where our mail comes from: the right side of Message-IDs."""
        sender = None if self.from_address is None else mailbox(self.from_address)
        return LOCAL_DOMAIN if sender is None else sender.domain

    def manage_url(self, organization_id: OrganizationId, appointment: Appointment) -> str | None:
        """The link with which a customer manages an appointment. It is a secret: it can cancel."""
        if self.manage_link is None:
            return None
        link = ManageLink(appointment.id, appointment.manage_generation)
        claims = ManageClaims(organization_id=organization_id, link=link)
        return self.manage_link(appointment.id, self.manage_tokens.sign(claims))

    def unsubscribe_url(
        self, organization_id: OrganizationId, message_id: MessageLogId
    ) -> str | None:
        """The link with which the recipient of a message stops further ones."""
        if self.public_url is None:
            return None
        token = self.unsubscribe_tokens.sign(organization_id, message_id)
        return f"{self.public_url}/unsubscribe/{token}"

    def calendar_url(self, token: str) -> str | None:
        """The address of a calendar feed. It is a secret: it shows what is booked."""
        return None if self.public_url is None else f"{self.public_url}/calendars/{token}.ics"

    def report_url(self, organization_id: OrganizationId, message_id: MessageLogId) -> str | None:
        """Where the gateway reports the delivery of a text message."""
        return (
            None
            if self.public_url is None
            else f"{self.public_url}{report_path(organization_id, message_id)}"
        )


def report_path(organization_id: OrganizationId, message_id: MessageLogId) -> str:
    """The path of `report_url`, which the gateway signs letter by letter."""
    return f"/callbacks/sms/{organization_id}/{message_id}"
