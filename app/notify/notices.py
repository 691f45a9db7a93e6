"""Mails to those who run an organization, about its own settings. Where they go to the organization
they are in English: it has no language.
"""

from __future__ import annotations

from html import escape
from typing import Final

from app.core.sentences import DEFAULT_LANGUAGE
from app.notify import plain
from app.notify.message import CalendarMethod, RenderedEmail

_PARAGRAPH: Final = '<p style="margin:0 0 14px;font:16px/24px sans-serif">{}</p>'


def webhook_switched_off(organization: str, url: str, why: str) -> RenderedEmail:
    """A webhook of the organization was switched off."""
    address = plain.one_line(url, limit=500)
    return notice(
        "A webhook was switched off",
        f"Hello {plain.one_line(organization)},",
        f"The webhook that delivers your events to {address} was switched off. {why}",
        "Nothing more is sent there. Correct the receiver, send it a test event, and switch the "
        "webhook on again: it then gets what happened in the last three days.",
    )


def notice(subject: str, *paragraphs: str, language: str = DEFAULT_LANGUAGE) -> RenderedEmail:
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
