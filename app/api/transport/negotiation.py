"""What a caller sends and wants to get: Content-Type and Accept, as GraphQL over HTTP reads them,
and Accept-Language.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from app.core.sentences import DEFAULT_LANGUAGE, LANGUAGES
from app.weighted_cache import remembered

JSON: Final = "application/json"
RESPONSE_JSON: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
HTML: Final = "text/html"

# Browsers and GraphQL clients send under 200 characters; what comes after these is not read.
_LONGEST_ACCEPT: Final = 1_000
_UTF_8: Final = frozenset({"utf-8", "utf8"})


def is_json(content_type: str | None) -> bool:
    """Whether a body is JSON in UTF-8. Compared exactly: forms that a page may post anywhere must
    not pass (CSRF).
    """
    media, *parameters = (content_type or "").split(";")
    if media.strip().lower() != JSON:
        return False
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _UTF_8:
            return False
    return True


@remembered(
    "accepted types",
    most_bytes=1024 * 1024,
    weigh=lambda arguments, _answer: getsizeof(arguments[0]),
)
def answer_type(accept: str | None) -> str | None:
    """JSON, RESPONSE_JSON or EVENT_STREAM, whichever is preferred; None where the caller wants none
    of them.

    Among equals the one named first wins. Only a caller that names the event stream gets one: urql
    names it last in every query and then expects JSON.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = _ranges(accept)
    best: tuple[float, int, str] | None = None
    for media, patterns in (
        (JSON, (JSON, "application/*", "*/*")),
        (RESPONSE_JSON, (RESPONSE_JSON, "application/*", "*/*")),
        (EVENT_STREAM, (EVENT_STREAM,)),
    ):
        found = next((ranges[pattern] for pattern in patterns if pattern in ranges), None)
        if (
            found is not None
            and found[0] > 0
            and (best is None or (found[0], -found[1]) > (best[0], -best[1]))
        ):
            best = (*found, media)
    return None if best is None else best[2]


def wants_html(accept: str | None) -> bool:
    """Whether a browser asks for a page: it names HTML, and prefers it to JSON."""
    ranges = _ranges(accept or "")
    quality = ranges.get(HTML, (0.0, 0))[0]
    return quality > 0 and all(
        ranges.get(media, (0.0, 0))[0] <= quality for media in (JSON, RESPONSE_JSON)
    )


@remembered(
    "accepted languages",
    most_bytes=1024 * 1024,
    weigh=lambda arguments, _answer: getsizeof(arguments[0]),
)
def language_of(accept_language: str | None) -> str:
    """The one of `LANGUAGES` that is preferred; English where none is wanted.

    A regional tag, `de-AT`, wants its language too (RFC 4647, section 3.4).
    """
    ranges = _ranges(accept_language or "")
    named = {tag.partition("-")[0] for tag in ranges}
    wanted = [(-quality, place, tag) for tag, (quality, place) in ranges.items() if quality > 0]
    for _, _, tag in sorted(wanted):
        for language in LANGUAGES:
            if language == tag.partition("-")[0] or (tag == "*" and language not in named):
                return language
    return DEFAULT_LANGUAGE


def _ranges(accept: str) -> dict[str, tuple[float, int]]:
    """Range → its quality and its place in the header."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, item in enumerate(accept[:_LONGEST_ACCEPT].split(",")):
        media, *parameters = item.split(";")
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        ranges.setdefault(media.strip().lower(), (quality, place))
    return ranges
