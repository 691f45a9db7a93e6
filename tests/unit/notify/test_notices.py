"""The mails about settings: one template for each language, with every value in it."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.core.ids import OrganizationId
from app.core.provider import Organization
from app.core.sentences import LANGUAGES
from app.core.webhooks import DISABLED_SENTENCES, DisabledReason
from app.notify.webhook_notice import webhook_switched_off

URL = "https://example.com/hook?a=1&b=<2>"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", DisabledReason)
def test_a_notice_about_a_webhook_names_its_address_in_every_language(
    language: str, reason: DisabledReason
) -> None:
    practice = Organization(
        id=OrganizationId(UUID(int=1)), slug="harbour", name="Harbour {Practice}", locale=language
    )
    mail = webhook_switched_off(practice, URL, reason)
    assert mail.language == language
    assert "Harbour {Practice}" in mail.text
    assert f" {URL} " in mail.text
    assert "https://example.com/hook?a=1&amp;b=&lt;2&gt;" in mail.html
    english = DISABLED_SENTENCES[reason]
    assert (english in mail.text) is (language == "en")


def test_an_organization_without_a_language_gets_english() -> None:
    practice = Organization(id=OrganizationId(UUID(int=1)), slug="harbour", name="Harbour")
    mail = webhook_switched_off(practice, URL, DisabledReason.GONE)
    assert mail.subject == "A webhook was switched off"
