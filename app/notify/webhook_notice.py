"""The mail to an organization whose webhook was switched off, in its language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.webhooks import DisabledReason
from app.notify import plain, wording
from app.notify.notices import notice

if TYPE_CHECKING:
    from app.core.provider import Organization
    from app.notify.message import RenderedEmail

_WORDS: Final = {
    "en": """\
A webhook was switched off

Hello {name},

The webhook that delivers your events to {url} was switched off. {why}

Nothing more is sent there. Correct the receiver, send it a test event, and switch the webhook on
again: it then gets what happened in the last three days.
""",
    "de": """\
Ein Webhook wurde abgeschaltet

Guten Tag {name},

der Webhook, der Ihre Ereignisse an {url} zustellt, wurde abgeschaltet. {why}

Dorthin wird nichts mehr gesendet. Beheben Sie den Fehler beim Empfänger, senden Sie ein
Testereignis, und schalten Sie den Webhook wieder ein: Er erhält dann alles, was in den letzten drei
Tagen geschehen ist.
""",
    "fr": """\
Un webhook a été désactivé

Bonjour {name},

Le webhook qui transmet vos événements à {url} a été désactivé. {why}

Plus rien n’y est envoyé. Corrigez le destinataire, envoyez-lui un événement de test, puis réactivez
le webhook : il recevra alors tout ce qui s’est passé ces trois derniers jours.
""",
    "es": """\
Se ha desactivado un webhook

Hola, {name}:

El webhook que envía sus eventos a {url} se ha desactivado. {why}

Ya no se envía nada a esa dirección. Corrija el receptor, envíele un evento de prueba y vuelva a
activar el webhook: recibirá entonces todo lo ocurrido en los tres últimos días.
""",
}
"""The subject, then the paragraphs."""

_WHY: Final = {
    "en": {
        DisabledReason.GONE: "The receiver answered 410 Gone, which asks for no more events.",
        DisabledReason.FAILING: "Every delivery has failed for five days.",
    },
    "de": {
        DisabledReason.GONE: "Der Empfänger hat mit 410 Gone geantwortet und damit um keine "
        "weiteren Ereignisse gebeten.",
        DisabledReason.FAILING: "Seit fünf Tagen ist jede Zustellung fehlgeschlagen.",
    },
    "fr": {
        DisabledReason.GONE: "Le destinataire a répondu 410 Gone, ce qui signifie qu’il ne veut "
        "plus recevoir d’événements.",
        DisabledReason.FAILING: "Toutes les tentatives d’envoi échouent depuis cinq jours.",
    },
    "es": {
        DisabledReason.GONE: "El receptor ha respondido 410 Gone, con lo que pide no recibir más "
        "eventos.",
        DisabledReason.FAILING: "Todos los envíos fallan desde hace cinco días.",
    },
}


def webhook_switched_off(
    organization: Organization, url: str, reason: DisabledReason
) -> RenderedEmail:
    """A webhook of the organization was switched off."""
    language = wording.negotiate(organization.locale).language
    values = {
        "name": plain.one_line(organization.name),
        "url": plain.one_line(url, limit=500),
        "why": _WHY[language][reason],
    }
    return notice(_WORDS[language], values, language=language)
