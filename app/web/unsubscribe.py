"""The page where somebody stops messages. Opening it changes nothing: mail programs open links that
nobody clicked.

`List-Unsubscribe` in a message's header leads here too; a mail program that offers a button of its
own posts at once (RFC 8058).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse
from starlette.routing import Route

from app.notify import wording
from app.usecases.messages.opt_out import unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    title: str
    question: str
    button: str
    done: str
    except_for: str


_WORDS: Final = {
    "en": _Words(
        title="Messages",
        question="Should {} send you no more messages about appointments to this address?",
        button="Stop messages",
        done="{} will send no more messages to this address.",
        except_for="If {} cancels or moves an appointment of yours, you will still hear about it.",
    ),
    "de": _Words(
        title="Nachrichten",
        question="Soll {} Ihnen keine Nachrichten über Termine mehr an diese Adresse senden?",
        button="Nachrichten abbestellen",
        done="{} sendet keine Nachrichten mehr an diese Adresse.",
        except_for="Wenn {} einen Ihrer Termine absagt oder verschiebt, erfahren Sie es trotzdem.",
    ),
    "fr": _Words(
        title="Messages",
        question="{} ne doit plus envoyer de messages à propos de rendez-vous à cette adresse ?",
        button="Ne plus recevoir de messages",
        done="{} n’enverra plus de messages à cette adresse.",
        except_for=(
            "Si {} annule ou déplace l’un de vos rendez-vous, vous recevrez quand même un message."
        ),
    ),
    "es": _Words(
        title="Mensajes",
        question="¿{} debe dejar de enviar mensajes sobre citas a esta dirección?",
        button="No recibir más mensajes",
        done="{} no enviará más mensajes a esta dirección.",
        except_for=(
            "Si {} cancela una de sus citas o la cambia de hora, se le avisará de todos modos."
        ),
    ),
}
_INVALID: Final = "This link is not valid. It may be incomplete."
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def unsubscribe_routes(resources_of: Callable[[Request], Resources]) -> list[BaseRoute]:
    """The one route; every e-mail has a link to it."""

    async def page(request: Request) -> Response:
        confirmed = request.method == "POST"
        opted_out = await unsubscribe(
            resources_of(request), request.path_params["token"], confirmed=confirmed
        )
        if opted_out is None:
            return _page("en", "Slotwright", f"<p>{_INVALID}</p>", status=404)
        language = wording.negotiate(opted_out.locale).language
        words, name = _WORDS[language], f"<b>{escape(opted_out.organization_name)}</b>"
        except_for = f"<p>{words.except_for.format(name)}</p>"
        if confirmed:
            return _page(language, words.title, f"<p>{words.done.format(name)}</p>{except_for}")
        form = f'<form method="post"><button>{words.button}</button></form>'
        return _page(
            language, words.title, f"<p>{words.question.format(name)}</p>{except_for}{form}"
        )

    return [Route("/unsubscribe/{token}", page, methods=["GET", "POST"])]


def _page(language: str, title: str, body: str, *, status: int = 200) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" '
        'content="noindex">'
        f"<title>{title}</title><style>"
        ":root{color-scheme:light dark;font:1.1rem/1.5 system-ui,sans-serif}"
        "body{max-width:34rem;margin:15vh auto;padding:0 1.25rem}"
        "button{font:inherit;padding:.6rem 1.2rem;border-radius:.5rem;border:1px "
        "solid;cursor:pointer}"
        f"</style><body>{body}</body></html>",
        status_code=status,
        headers=_HEADERS,
    )
