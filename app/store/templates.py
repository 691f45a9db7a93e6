"""The organizations' own templates, as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.messages import MessageKind, OwnTemplate, Recipient, TemplateOverride
from app.store.sql import query

if TYPE_CHECKING:
    from app.core.ids import OrganizationId
    from app.store.sql import Executor

_OF_ORGANIZATION = query("templates_of_organization")
_PUT = query("put_template")
_DELETE = query("delete_template")


async def templates_of_organization(
    on: Executor, organization_id: OrganizationId
) -> list[OwnTemplate]:
    """All of the organization's own templates, in a fixed order."""
    return [
        OwnTemplate(
            kind=MessageKind(row["kind"]),
            recipient=Recipient(row["recipient"]),
            language=row["language"],
            words=TemplateOverride(
                subject=row["subject"], text=row["body_text"], html=row["body_html"], sms=row["sms"]
            ),
            updated_at=row["updated_at"],
        )
        for row in await _OF_ORGANIZATION.many(on, organization_id)
    ]


async def put_template(
    on: Executor, organization_id: OrganizationId, template: OwnTemplate
) -> None:
    """Store an organization's own template; it replaces an earlier one."""
    words = template.words
    await _PUT.exec(
        on,
        organization_id,
        template.kind,
        template.recipient,
        template.language,
        words.subject,
        words.text,
        words.html,
        words.sms,
        template.updated_at,
    )


async def delete_template(
    on: Executor,
    organization_id: OrganizationId,
    kind: MessageKind,
    recipient: Recipient,
    language: str,
) -> None:
    """Delete an organization's own template: the built-in one is used again."""
    await _DELETE.exec(on, organization_id, kind, recipient, language)
