"""The mail about a calendar feed that can't be read: to its provider, or to the administrators, in
their language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.notify import plain, wording
from app.notify.notices import notice

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.provider import Organization, Provider
    from app.notify.message import RenderedEmail

_WORDS: Final = {
    "en": """\
Your calendar “{feed}” can't be read

Hello {name},

We have been unable to read your calendar “{feed}” since {since}. The times that we read last still
count: nobody can book you then. We don't see new entries and changes.

Problem: {problem}

Please check the address of the calendar. If it has a new one, remove the calendar and add it again.
""",
    "de": """\
Ihr Kalender „{feed}“ kann nicht gelesen werden

Guten Tag {name},

Ihr Kalender „{feed}“ konnte seit {since} nicht mehr gelesen werden. Was zuletzt darin stand, gilt
weiter: Zu diesen Zeiten werden Sie nicht gebucht. Neue Einträge und Änderungen werden nicht
gesehen.

Problem: {problem}

Bitte prüfen Sie die Adresse des Kalenders. Hat er eine neue, entfernen Sie ihn und fügen Sie ihn
wieder hinzu.
""",
    "fr": """\
Votre calendrier « {feed} » ne peut pas être lu

Bonjour {name},

Votre calendrier « {feed} » n’a pas pu être lu depuis {since}. Ce qu’il indiquait en dernier reste
valable : vous n’êtes pas réservé à ces heures. Les nouvelles entrées et les modifications ne sont
pas vues.

Problème : {problem}

Veuillez vérifier l’adresse du calendrier. S’il en a une nouvelle, retirez le calendrier et
ajoutez-le de nouveau.
""",
    "es": """\
No se puede leer su calendario «{feed}»

Hola, {name}:

Su calendario «{feed}» no se ha podido leer desde {since}. Lo último que decía sigue valiendo: no se
le reserva a esas horas. Las entradas nuevas y los cambios no se ven.

Problema: {problem}

Compruebe la dirección del calendario. Si tiene una nueva, quite el calendario y vuelva a añadirlo.
""",
}
"""To the provider. The subject, then the paragraphs. The problem itself is in English."""

_TO_ADMINISTRATORS: Final = {
    "en": """\
The calendar “{feed}” of {of} can't be read

Hello {name},

We have been unable to read the calendar “{feed}” of {of} since {since}. The times that we read last
still count: nobody can book {of} then. We don't see new entries and changes.

Problem: {problem}

Please check the address of the calendar. If it has a new one, remove the calendar and add it again.
""",
    "de": """\
Der Kalender „{feed}“ von {of} kann nicht gelesen werden

Guten Tag {name},

der Kalender „{feed}“ von {of} konnte seit {since} nicht mehr gelesen werden. Was zuletzt darin
stand, gilt weiter: Zu diesen Zeiten ist {of} nicht buchbar. Neue Einträge und Änderungen werden
nicht gesehen.

Problem: {problem}

Bitte prüfen Sie die Adresse des Kalenders. Hat er eine neue, entfernen Sie ihn und fügen Sie ihn
wieder hinzu.
""",
    "fr": """\
Le calendrier « {feed} » de {of} ne peut pas être lu

Bonjour {name},

Le calendrier « {feed} » de {of} n’a pas pu être lu depuis {since}. Ce qu’il indiquait en dernier
reste valable : {of} ne peut pas être réservé à ces heures. Les nouvelles entrées et les
modifications ne sont pas vues.

Problème : {problem}

Veuillez vérifier l’adresse du calendrier. S’il en a une nouvelle, retirez le calendrier et
ajoutez-le de nouveau.
""",
    "es": """\
No se puede leer el calendario «{feed}» de {of}

Hola, {name}:

El calendario «{feed}» de {of} no se ha podido leer desde {since}. Lo último que decía sigue
valiendo: no se puede reservar {of} a esas horas. Las entradas nuevas y los cambios no se ven.

Problema: {problem}

Compruebe la dirección del calendario. Si tiene una nueva, quite el calendario y vuelva a añadirlo.
""",
}
"""About a provider or a resource, `of` this name."""


def feed_notice(
    addressee: Provider | Organization,
    *,
    of: str | None,
    time_zone: str,
    feed: str,
    since: datetime,
    problem: str,
    now: datetime,
) -> RenderedEmail:
    """To the feed's own provider, or, with the name `of` its owner, to the administrators. Since
    when is said in the owner's time zone.
    """
    speech = wording.negotiate(addressee.locale)
    values = {
        "feed": plain.one_line(feed),
        "name": plain.one_line(addressee.name),
        "of": plain.one_line(of or ""),
        "since": wording.moment(since, now=now, zone=wording.zone_of(time_zone), speech=speech),
        "problem": plain.one_line(problem),
    }
    words = _WORDS if of is None else _TO_ADMINISTRATORS
    return notice(words[speech.language], values, language=speech.language)
