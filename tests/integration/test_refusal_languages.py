"""Refusals are in the caller's language, over every transport."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import MutableMapping
from typing import Any, Final

import httpx
import pytest

from tests.builders import Api, Json, a_booking, a_provider, unknown
from tests.lives import booked

TEN: Final = "2026-01-12T10:00Z"
PATIENCE_SECONDS: Final = 20.0

BOOK: Final = """
    mutation ($input: BookAppointmentInput!) {
        answer: bookAppointment(input: $input) {
            __typename
            ... on UserError { code message }
            ... on InvalidInputError { field }
            ... on SlotUnavailableError { reasons }
        }
    }
"""
LISTING: Final = """
    query ($id: ID!) {
        provider(id: $id) {
            availability(from: "2026-01-12", to: "2026-01-11") {
                __typename ... on UserError { code message }
            }
        }
    }
"""

TAKEN: Final = {
    None: "This time can't be booked: it is already taken.",
    "en": "This time can't be booked: it is already taken.",
    "it": "This time can't be booked: it is already taken.",
    "de-AT,de;q=0.9,en;q=0.5": (
        "Dieser Zeitpunkt kann nicht gebucht werden: er ist bereits vergeben."
    ),
    "fr": "Ce créneau ne peut pas être réservé : il est déjà pris.",
    "es": "Este horario no se puede reservar: ya está ocupado.",
}


async def ask_in(
    api: Api, language: str | None, body: Json, accept: str = "application/json"
) -> httpx.Response:
    headers = [*api.anonymous.headers, (b"accept", accept.encode())]
    if language is not None:
        headers.append((b"accept-language", language.encode()))
    return await api.http.post("/graphql", content=json.dumps(body), headers=headers)


async def data_in(api: Api, language: str | None, **body: object) -> Json:
    answer: Json = (await ask_in(api, language, body)).json()
    assert "errors" not in answer, answer
    data: Json = answer["data"]
    return data


async def test_a_taken_time_is_refused_in_the_language_asked_for(api: Api) -> None:
    ada = await a_provider(api)
    await booked(api, ada, TEN)
    for language, message in TAKEN.items():
        answer = await data_in(api, language, query=BOOK, variables={"input": a_booking(ada, TEN)})
        assert answer["answer"] == {
            "__typename": "SlotUnavailableError",
            "code": "SLOT_UNAVAILABLE",
            "message": message,
            "reasons": ["ALREADY_TAKEN"],
        }


async def test_wrong_input_is_refused_in_the_language_and_the_field_is_the_same(api: Api) -> None:
    wish = a_booking(await a_provider(api), TEN, customer={"name": "Noor", "email": "nobody"})
    said = {}
    for language in ("en", "de", "fr", "es"):
        answer = (await data_in(api, language, query=BOOK, variables={"input": wish}))["answer"]
        assert (answer["code"], answer["field"]) == ("INVALID_INPUT", "customer.email")
        said[language] = answer["message"]
    assert said == {
        "en": "This is not an e-mail address. Write it like name@example.com.",
        "de": "Das ist keine E-Mail-Adresse. Geben Sie sie in der Form name@example.com an.",
        "fr": "Ce n’est pas une adresse e-mail. Écrivez-la sous la forme name@example.com.",
        "es": "No es una dirección de correo electrónico. Escríbala en la forma name@example.com.",
    }


async def test_the_same_listing_is_refused_to_each_in_their_own_language(api: Api) -> None:
    """Documents are prepared once and shared, registered by their hash too; sentences are not."""
    ada = await a_provider(api)
    extensions = {
        "persistedQuery": {
            "version": 1,
            "sha256Hash": hashlib.sha256(LISTING.encode()).hexdigest(),
        }
    }
    query = {"query": LISTING}
    for language, message in [
        ("de", "Das letzte Datum liegt vor dem ersten. Vertauschen Sie from und to."),
        ("fr", "La dernière date précède la première. Inversez from et to."),
        (None, "The last date is before the first. Swap from and to."),
        ("de", "Das letzte Datum liegt vor dem ersten. Vertauschen Sie from und to."),
    ]:
        answer = await data_in(
            api,
            language,
            **query,
            variables={"id": ada["id"]},
            extensions=extensions,
        )
        query = {}
        assert answer["provider"]["availability"]["message"] == message


async def test_callers_at_the_same_time_each_get_their_language(api: Api) -> None:
    variables = {"input": a_booking({"id": unknown("Provider")}, TEN)}
    languages = ["de", "fr", "es", "en"] * 3
    answers = await asyncio.gather(
        *(data_in(api, each, query=BOOK, variables=variables) for each in languages)
    )
    expected = {
        "de": "Diesen Anbieter gibt es hier nicht. Prüfen Sie die ID.",
        "fr": "Ce prestataire n’existe pas ici. Vérifiez son identifiant.",
        "es": "Este profesional no existe aquí. Compruebe el identificador.",
        "en": "There is no such provider here. Check its id.",
    }
    assert [answer["answer"]["message"] for answer in answers] == [
        expected[language] for language in languages
    ]


async def test_an_event_stream_speaks_the_language(api: Api) -> None:
    variables = {"input": a_booking({"id": unknown("Provider")}, TEN)}
    answer = await ask_in(
        api, "fr", {"query": BOOK, "variables": variables}, accept="text/event-stream"
    )
    assert "Ce prestataire n’existe pas ici." in answer.text


async def test_errors_of_the_request_stay_english_and_caches_keep_languages_apart(api: Api) -> None:
    english, german = [await ask_in(api, each, {"query": "{ nothing }"}) for each in ("en", "de")]
    assert english.json()["errors"][0]["message"] == german.json()["errors"][0]["message"]
    varies = {part.strip() for part in german.headers["vary"].split(",")}
    assert {"accept", "accept-language"} <= varies


@pytest.mark.parametrize(
    ("language", "message"),
    [
        (b"de-AT,de;q=0.9,en;q=0.5", "Diesen Anbieter gibt es hier nicht. Prüfen Sie die ID."),
        (None, "There is no such provider here. Check its id."),
    ],
)
async def test_a_socket_speaks_the_language_of_its_handshake(
    api: Api, language: bytes | None, message: str
) -> None:
    headers = [
        *api.anonymous.headers,
        *([] if language is None else [(b"accept-language", language)]),
    ]
    variables = {"input": a_booking({"id": unknown("Provider")}, TEN)}
    said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    transport = api.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "headers": headers,
        "subprotocols": ["graphql-transport-ws"],
        "client": ("127.0.0.1", 1),
        "server": ("api.test", 80),
    }
    said.put_nowait({"type": "websocket.connect"})
    for sent in (
        {"type": "connection_init"},
        {"type": "subscribe", "id": "1", "payload": {"query": BOOK, "variables": variables}},
    ):
        said.put_nowait({"type": "websocket.receive", "text": json.dumps(sent)})
    async with asyncio.timeout(PATIENCE_SECONDS):
        socket = asyncio.ensure_future(transport.app(scope, said.get, heard.put))
        while (event := await heard.get()).get("text") is None or (
            answer := json.loads(event["text"])
        )["type"] != "next":
            assert event["type"] in {"websocket.accept", "websocket.send"}, event
        said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await socket
    assert answer["payload"]["data"]["answer"]["message"] == message
