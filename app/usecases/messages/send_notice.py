"""Send a mail about an organization's own settings, to those who can mend them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.notify.email import Letter

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.provider import Organization
    from app.notify.email import EmailSender
    from app.notify.message import RenderedEmail
    from app.notify.outcome import Outcome


async def send_notice(
    sender: EmailSender,
    organization: Organization,
    *,
    message_id: str,
    to_name: str,
    to_address: str,
    content: RenderedEmail,
    now: datetime,
) -> Outcome | None:
    """In the organization's name; it is not in the log of messages."""
    letter = Letter(
        message_id=message_id,
        now=now,
        from_name=organization.name,
        to_name=to_name,
        to_address=to_address,
        content=content,
    )

    async def begin() -> Letter:
        return letter

    return await sender.send(begin)
