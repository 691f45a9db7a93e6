"""Mails about settings, to those who can correct them: plain sentences, without an appointment."""

from __future__ import annotations

from html import escape
from typing import Final

from app.notify.message import CalendarMethod, RenderedEmail

_PARAGRAPH: Final = '<p style="margin:0 0 14px;font:16px/24px sans-serif">{}</p>'


def notice(subject: str, *paragraphs: str, language: str) -> RenderedEmail:
    """A mail of plain sentences in this language."""
    html = "\n".join(_PARAGRAPH.format(escape(each)) for each in paragraphs)
    return RenderedEmail(
        language=language,
        subject=subject,
        text="\n\n".join(paragraphs) + "\n",
        html=f'<!DOCTYPE html>\n<html lang="{language}"><meta charset="utf-8">'
        f"<title>{escape(subject)}</title><body>\n{html}\n</body></html>\n",
        ics=b"",
        method=CalendarMethod.REQUEST,
    )
