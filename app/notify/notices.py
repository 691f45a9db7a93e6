"""Mails about settings, to those who can correct them: plain sentences, without an appointment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from app.notify.message import CalendarMethod, RenderedEmail
from app.notify.quoted_printable import PlainText

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAGRAPH: Final = '<p style="margin:0 0 14px;font:16px/24px sans-serif">{}</p>'


def notice(template: str, values: Mapping[str, str], *, language: str) -> RenderedEmail:
    """A mail of plain sentences in this language. The template is the subject, then the paragraphs,
    apart by empty lines; `{name}` stands for the value of that name, which is a single line.
    """
    subject, *paragraphs = (
        part.replace("\n", " ").format_map(values) for part in template.strip().split("\n\n")
    )
    html = "\n".join(_PARAGRAPH.format(escape(each)) for each in paragraphs)
    return RenderedEmail(
        language=language,
        subject=subject,
        text_part=PlainText("\n\n".join(paragraphs) + "\n"),
        html_part=PlainText(
            f'<!DOCTYPE html>\n<html lang="{language}"><meta charset="utf-8">'
            f"<title>{escape(subject)}</title><body>\n{html}\n</body></html>\n"
        ),
        ics=b"",
        method=CalendarMethod.REQUEST,
    )
