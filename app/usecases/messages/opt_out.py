"""Opt out: an address wants no more messages from an organization, or wants them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.events import Author
from app.core.lifecycle import Actor
from app.core.messages import Channel, Recipient
from app.store.messages import message_by_id
from app.store.opt_outs import opt_in, opt_out
from app.store.pool import transaction
from app.usecases.events.record import customer_changed, provider_changed, record_events
from app.usecases.messages.compose_messages import load_subjects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import OrganizationId
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


_CLICKED: Final = Author(actor=Actor.GUEST)
"""Links in messages are followed without a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """Whose messages stop, and the language they were written in."""

    organization_name: str
    locale: str | None


async def unsubscribe(resources: Resources, token: str, *, confirmed: bool) -> OptedOut | None:
    """Stop messages to the address that the token's message went to, on its channel; None where the
    token is invalid.

    Without `confirmed` nothing changes: programs open links that nobody clicked.
    """
    named = resources.messaging.unsubscribe_tokens.verify(token)
    if named is None:
        return None
    organization_id, message_id = named
    async with transaction(resources.pool) as tx:
        message = await message_by_id(tx, organization_id, message_id)
        if message is None:
            return None
        to_customer = message.recipient is Recipient.CUSTOMER
        subject = (await load_subjects(tx, organization_id, [message.appointment_id]))[
            message.appointment_id
        ]
        reach = subject.reach(message)
        address = reach.address(message.channel)
        # an erased customer has none, and gets nothing anyway
        if address is not None and confirmed:
            now = resources.clock()
            if await opt_out(tx, organization_id, (message.channel, address), now):
                changed = (
                    customer_changed(subject.appointment.customer_id)
                    if to_customer
                    else provider_changed(subject.provider(message.provider_id).id)
                )
                record_events(resources, tx, organization_id, [changed], author=_CLICKED, now=now)
    provider = subject.provider(message.provider_id)
    locale = subject.appointment.contact.locale if to_customer else provider.locale
    return OptedOut(organization_name=subject.organization.name, locale=locale)


async def want_again(
    tx: Transaction,
    organization_id: OrganizationId,
    channels: Sequence[Channel] | None,
    *,
    email: str | None,
    phone: str | None,
) -> None:
    """A customer who names a channel wants messages on it: earlier opt-outs are deleted."""
    addresses = [
        (channel, email if channel is Channel.EMAIL else phone) for channel in channels or ()
    ]
    await opt_in(
        tx,
        organization_id,
        [(channel, address) for channel, address in addresses if address is not None],
    )
