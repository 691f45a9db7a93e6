"""Edit an organization's own words for a kind of message. Words that would not work are refused
before they are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.messages import Channel, OwnTemplate, TemplateOverride
from app.core.refusals import InvalidInput, NotAllowed
from app.core.sentences import LANGUAGES, Sentence, say
from app.notify import overrides
from app.notify.render import render
from app.store.pool import transaction
from app.store.templates import delete_template, put_template, templates_of_organization
from app.usecases.events.record import organization_changed, record_edit
from app.usecases.messages.preview_message import sample_facts

if TYPE_CHECKING:
    from app.core.messages import MessageKind, Recipient
    from app.core.viewer import Viewer
    from app.notify.message import OverrideProblem
    from app.notify.overrides import OwnWords
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


async def set_template(
    resources: Resources,
    viewer: Viewer,
    kind: MessageKind,
    recipient: Recipient,
    language: str,
    words: TemplateOverride,
) -> OwnTemplate | InvalidInput | NotAllowed:
    """Keep these words in place of earlier ones; without any, the built-in ones are used again."""
    if not viewer.is_admin:
        return NotAllowed(message=say("Only administrators change the words of messages."))
    if language not in LANGUAGES:
        return InvalidInput(
            field="language",
            message=say(
                "Messages are written in one of {languages}.", languages=", ".join(LANGUAGES)
            ),
        )
    template = OwnTemplate(
        kind=kind, recipient=recipient, language=language, words=words, updated_at=resources.clock()
    )
    if words == TemplateOverride():
        async with transaction(resources.pool) as tx:
            await delete_template(tx, viewer.organization_id, kind, recipient, language)
            _record(resources, tx, viewer)
        return template
    own = await overrides.prepare(words)
    problem = own.problem or _problem_in_use(template, own)
    if problem is not None:
        return InvalidInput(field=problem.part, message=_does_not_work(problem))
    async with transaction(resources.pool) as tx:
        await put_template(tx, viewer.organization_id, template)
        _record(resources, tx, viewer)
    return template


def _record(resources: Resources, tx: Transaction, viewer: Viewer) -> None:
    changed = organization_changed(viewer.organization_id)
    record_edit(resources, tx, viewer, changed)


async def list_templates(resources: Resources, viewer: Viewer) -> list[OwnTemplate] | None:
    """All of the organization's own words; None for all but administrators."""
    return (
        await templates_of_organization(resources.pool, viewer.organization_id)
        if viewer.is_admin
        else None
    )


def _problem_in_use(template: OwnTemplate, own: OwnWords) -> OverrideProblem | None:
    """The problems that appear only when rendering: on both channels, with every fact that a
    message may have.
    """
    facts = sample_facts(template.kind, "Sample", template.updated_at)
    for channel in Channel:
        used = render(facts, template.kind, template.recipient, channel, own)
        if used.problem is not None:
            return used.problem
    return None


def _does_not_work(problem: OverrideProblem) -> Sentence:
    if problem.line is None:
        return say("This template does not work: {detail}.", detail=problem.detail)
    return say(
        "This template does not work (line {line}): {detail}.",
        line=problem.line,
        detail=problem.detail,
    )
