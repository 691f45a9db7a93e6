"""The words of messages: an organization's own templates, and previews."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from app.api.operation.info import Info
from app.api.words.enums import (
    Channel,
    MessageKind,
    Recipient,
)
from app.api.words.keys import appointment_key
from app.api.words.refusals import (
    InvalidInputError,
    NotAllowedError,
    refused,
)
from app.core.messages import OwnTemplate, TemplateOverride
from app.notify import overrides
from app.notify.message import OverrideProblem, Rendered, RenderedEmail
from app.usecases.messages.edit_template import list_templates, set_template
from app.usecases.messages.preview_message import PreviewQuestion, preview_message

_KIND = "Which message."
_RECIPIENT = "The recipient that it is for."
_LANGUAGE = "The language of the words: en, de, fr or es."
_PART = (
    "Jinja2 text with values and conditions, such as “{{ contact }}” and “{% if price %}”. "
    f"At most {overrides.MAX_SOURCE_CHARACTERS:,} characters with {overrides.MAX_NODES:,} values "
    f"and conditions, nested at most {overrides.MAX_DEPTH} deep. Null: the built-in words."
)
_WORDS = f"They may use these words: {', '.join(sorted(overrides.WORDS))}."


@strawberry.type(
    description=(
        "An organization's own words for one kind of message. A null part is the built-in one."
    )
)
class MessageTemplate:
    """Maps the core's `OwnTemplate`."""

    kind: MessageKind = strawberry.field(description=_KIND)
    recipient: Recipient = strawberry.field(description=_RECIPIENT)
    language: str = strawberry.field(description=_LANGUAGE)
    subject: str | None = strawberry.field(description="The subject of an e-mail.")
    text: str | None = strawberry.field(description="The plain text of an e-mail.")
    html: str | None = strawberry.field(
        description="The HTML of an e-mail; values in it are escaped."
    )
    sms: str | None = strawberry.field(description="A text message.")
    updated_at: datetime = strawberry.field(description="When the words were last changed.")

    @classmethod
    def of(cls, template: OwnTemplate) -> Self:
        """From the core."""
        words = template.words
        return cls(
            kind=template.kind,
            recipient=template.recipient,
            language=template.language,
            subject=words.subject,
            text=words.text,
            html=words.html,
            sms=words.sms,
            updated_at=template.updated_at,
        )


@strawberry.type(
    description=(
        "What is wrong with an organization's own words; the built-in ones are used instead."
    )
)
class TemplateProblem:
    """Maps `OverrideProblem`."""

    part: str = strawberry.field(description="subject, text, html or sms.")
    line: int | None = strawberry.field(description="Its line, where known.")
    detail: str = strawberry.field(description="What is wrong.")

    @classmethod
    def of(cls, problem: OverrideProblem | None) -> Self | None:
        """From the renderer."""
        return (
            None
            if problem is None
            else cls(part=problem.part, line=problem.line, detail=problem.detail)
        )


@strawberry.type(description="A message as it would go out: an e-mail or a text message.")
class MessagePreview:
    """Maps `Rendered`."""

    language: str = strawberry.field(description="The language it is written in.")
    subject: str | None = strawberry.field(description="An e-mail's subject.")
    text: str = strawberry.field(description="An e-mail's plain text, or the whole text message.")
    html: str | None = strawberry.field(description="An e-mail's HTML.")
    calendar: str | None = strawberry.field(description="An e-mail's calendar part (iCalendar).")
    segments: int | None = strawberry.field(
        description="How many text messages a gateway will bill."
    )
    problem: TemplateProblem | None = strawberry.field(
        description=(
            "What is wrong with the organization's own words; null where they work, or "
            "where there are none."
        )
    )

    @classmethod
    def of(cls, rendered: Rendered) -> Self:
        """From the renderer."""
        return cls(
            language=rendered.language,
            subject=rendered.subject if isinstance(rendered, RenderedEmail) else None,
            text=rendered.text,
            html=rendered.html if isinstance(rendered, RenderedEmail) else None,
            calendar=rendered.ics.decode() if isinstance(rendered, RenderedEmail) else None,
            segments=None if isinstance(rendered, RenderedEmail) else rendered.segments,
            problem=TemplateProblem.of(rendered.problem),
        )


@strawberry.input(description=f"Own words to try. A part left out is the built-in one. {_WORDS}")
class MessageWordsInput:
    """Becomes a `TemplateOverride`."""

    subject: str | None = strawberry.field(default=None, description=_PART)
    text: str | None = strawberry.field(default=None, description=_PART)
    html: str | None = strawberry.field(default=None, description=_PART)
    sms: str | None = strawberry.field(default=None, description=_PART)

    def to_core(self) -> TemplateOverride:
        """To the core, unchecked."""
        return TemplateOverride(subject=self.subject, text=self.text, html=self.html, sms=self.sms)


@strawberry.input(
    description=(
        "An organization's own words for one kind of message; all null: the built-in ones again. "
        f"{_WORDS}"
    )
)
class SetMessageTemplateInput:
    """See `set_template`."""

    kind: MessageKind = strawberry.field(description=_KIND)
    recipient: Recipient = strawberry.field(description=_RECIPIENT)
    language: str = strawberry.field(description=_LANGUAGE)
    subject: str | None = strawberry.field(default=None, description=_PART)
    text: str | None = strawberry.field(default=None, description=_PART)
    html: str | None = strawberry.field(default=None, description=_PART)
    sms: str | None = strawberry.field(default=None, description=_PART)


SetMessageTemplateResult = Annotated[
    MessageTemplate | InvalidInputError | NotAllowedError,
    strawberry.union(
        "SetMessageTemplateResult", description="The words as stored, or why they were refused."
    ),
]


@strawberry.type
class TemplateQuery:
    """The root fields about the words of messages."""

    @strawberry.field(
        description="The organization's own words for messages. Null for all but administrators."
    )
    async def message_templates(self, info: Info) -> list[MessageTemplate] | None:
        """In a fixed order."""
        found = await list_templates(info.context.resources, info.context.viewer)
        return None if found is None else [MessageTemplate.of(template) for template in found]

    @strawberry.field(
        description="A message as it would go out now: about an appointment, or about a made-up "
        "one. Null for all but "
        "administrators, and where there is no such appointment. Nothing is sent."
    )
    async def preview_message(
        self,
        info: Info,
        kind: Annotated[MessageKind, strawberry.argument(description=_KIND)],
        recipient: Annotated[
            Recipient, strawberry.argument(description=_RECIPIENT)
        ] = Recipient.CUSTOMER,
        channel: Annotated[
            Channel, strawberry.argument(description="How it travels.")
        ] = Channel.EMAIL,
        locale: Annotated[
            str | None,
            strawberry.argument(
                description="A language tag, such as de-AT; left out: the recipient's own."
            ),
        ] = None,
        appointment_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Left out: a made-up appointment."),
        ] = None,
        words: Annotated[
            MessageWordsInput | None,
            strawberry.argument(
                description=(
                    "Words to try; left out: the organization's own, else the built-in ones."
                )
            ),
        ] = None,
    ) -> MessagePreview | None:
        """See the use case."""
        question = PreviewQuestion(
            kind=kind,
            recipient=recipient,
            channel=channel,
            locale=locale,
            appointment_id=None if appointment_id is None else appointment_key(appointment_id),
            words=None if words is None else words.to_core(),
        )
        rendered = await preview_message(info.context.resources, info.context.viewer, question)
        return None if rendered is None else MessagePreview.of(rendered)


@strawberry.type
class TemplateMutation:
    """The mutation of the words of messages."""

    @strawberry.mutation(
        description="Sets the organization's own words for a kind of message, a recipient and a "
        "language, in place of "
        "earlier ones. Words that don't work are refused. Administrators only."
    )
    async def set_message_template(
        self,
        info: Info,
        input: Annotated[
            SetMessageTemplateInput, strawberry.argument(description="The new words.")
        ],
    ) -> SetMessageTemplateResult:
        """See the use case."""
        answer = await set_template(
            info.context.resources,
            info.context.viewer,
            input.kind,
            input.recipient,
            input.language,
            TemplateOverride(
                subject=input.subject, text=input.text, html=input.html, sms=input.sms
            ),
        )
        match answer:
            case OwnTemplate():
                return MessageTemplate.of(answer)
            case _:
                return refused(answer)
