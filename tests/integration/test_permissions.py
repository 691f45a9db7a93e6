"""Who may do and see what: roles, fields and mutations; organizations against each other; tokens
and forgeries.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from app.process.clock import system_clock
from tests.builders import (
    BOOK,
    CREATE_PROVIDER,
    CREATE_SERVICE,
    LISTING,
    Api,
    Caller,
    Json,
    Tenant,
    a_booking,
    a_provider,
    a_service,
    an_appointment,
    book,
    unknown,
)

VIEWER = "{ viewer { role } }"
UPDATE_PROVIDER = (
    "mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: "
    "$input) "
    "{ __typename } }"
)
UPDATE_SERVICE = (
    "mutation ($input: UpdateServiceInput!) { answer: updateService(input: $input) { __typename } }"
)
SET_HOURS = (
    "mutation ($input: SetWeeklyHoursInput!) { answer: setWeeklyHours(input: $input) { "
    "__typename } }"
)
SET_EXCEPTION = (
    "mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename } }"
)
REMOVE_EXCEPTION = (
    "mutation ($input: RemoveExceptionInput!) { answer: removeException(input: "
    "$input) { __typename } }"
)

APPOINTMENT = """
    query ($id: ID!, $manageToken: String) {
        appointment(id: $id, manageToken: $manageToken) {
            id contact { name email } customer { id name email } notes
        }
    }
"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"
APPOINTMENTS = "{ appointments { totalCount nodes { id } } }"
OF_PROVIDER = "query ($id: ID!) { provider(id: $id) { appointments { totalCount nodes { id } } } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody who may call, and what they call about: Ada's visit of the customer Robin, and of
    the guest Noor.
    """

    api: Api
    ada: Json
    ben: Json
    service: Json
    robins: Json
    noors: Json
    callers: dict[str, Caller]

    async def answers(self, document: str, values: Json) -> dict[str, str]:
        """Each caller's answer to a mutation, by type."""
        found = {}
        for name, caller in self.callers.items():
            answer = await self.api.ask(document, caller=caller, input=values)
            found[name] = answer["answer"]["__typename"]
        return found


@pytest.fixture
async def people(api: Api) -> Cast:
    ada = await a_provider(api, name="Ada", email="ada@example.com", phone="+4930901820")
    ben = await a_provider(api, name="Ben")
    service = await a_service(api, ada, ben)
    robin = api.customer("robin")
    contact = {"name": "Robin", "email": "robin@example.com"}
    robins = await an_appointment(api, ada, "2026-01-13T10:00Z", caller=robin, customer=contact)
    noors = await an_appointment(
        api, ada, "2026-01-13T12:00Z", customer={"name": "Noor", "email": "noor@example.com"}
    )
    # Robin has a second one, with somebody else.
    await an_appointment(api, ben, "2026-01-13T15:00Z", caller=robin)
    return Cast(
        api=api,
        ada=ada,
        ben=ben,
        service=service,
        robins=robins,
        noors=noors,
        callers={
            "anonymous": api.anonymous,
            "stranger": api.customer("stranger"),
            "robin": robin,
            "ada": api.acting_for(ada),
            "ben": api.acting_for(ben),
            "nobody's provider": api.acting_for({"subject": "nobody"}),
            "reception": api.reception,
            "admin": api.admin,
            "noor's token": Caller(token=noors["manageToken"]),
        },
    )


def only(allowed: str, names: Cast, *, yes: str) -> dict[str, str]:
    """The answer `yes` for those allowed, and a refusal for everybody else."""
    return {
        name: yes if name in allowed.split(" | ") else "NotAllowedError" for name in names.callers
    }


# ---------------------------------------------------------------- what each role may do


async def test_administrators_alone_create(people: Cast) -> None:
    values: Json = {"name": "Cleo", "timeZone": "UTC", "serviceDurationMinutes": 30}
    assert await people.answers(CREATE_PROVIDER, values) == only("admin", people, yes="Provider")
    values = {"name": "Cut", "durationMinutes": 30, "providerIds": [people.ada["id"]]}
    assert await people.answers(CREATE_SERVICE, values) == only("admin", people, yes="Service")
    assert await people.answers(UPDATE_SERVICE, {"id": people.service["id"]}) == only(
        "admin", people, yes="Service"
    )


async def test_a_provider_changes_what_is_their_own(people: Cast) -> None:
    ada = people.ada["id"]
    for document, values in (
        (UPDATE_PROVIDER, {"id": ada, "bufferMinutes": 5}),
        (SET_HOURS, {"providerId": ada, "hours": []}),
        (SET_EXCEPTION, {"providerId": ada, "date": "2026-02-02", "isBlocked": True}),
        (REMOVE_EXCEPTION, {"providerId": ada, "date": "2026-02-02"}),
    ):
        assert await people.answers(document, values) == only(
            "ada | reception | admin", people, yes="Provider"
        )
    # Whose tokens act for whom is for administrators to say.
    answers = await people.answers(UPDATE_PROVIDER, {"id": ada, "subject": people.ada["subject"]})
    assert answers == only("admin", people, yes="Provider")


async def test_everybody_may_book_but_a_manage_token_and_a_provider_in_another_calendar(
    people: Cast,
) -> None:
    """A guest needs contact data, a customer whose record is there does not."""
    outcome = {}
    for hour, (name, caller) in enumerate(people.callers.items(), start=9):
        answer = await book(people.api, people.ada, f"2026-01-14T{hour:02}:00Z", caller=caller)
        outcome[name] = answer["__typename"]
    assert outcome == {
        "anonymous": "BookingConfirmation",
        "stranger": "BookingConfirmation",
        "robin": "BookingConfirmation",
        "ada": "BookingConfirmation",
        "ben": "NotAllowedError",
        "nobody's provider": "NotAllowedError",
        "reception": "BookingConfirmation",
        "admin": "BookingConfirmation",
        "noor's token": "NotAllowedError",
    }
    for name, expected in (
        ("anonymous", "InvalidInputError"),
        ("reception", "InvalidInputError"),
        ("admin", "InvalidInputError"),
        ("robin", "BookingConfirmation"),
    ):
        answer = await book(
            people.api, people.ada, "2026-01-15T09:00Z", caller=people.callers[name], customer=None
        )
        assert answer["__typename"] == expected
        assert answer.get("field", "customer") == "customer"


async def test_free_times_are_public(people: Cast) -> None:
    days = {"from": "2026-01-13", "to": "2026-01-13"}
    seen = [
        await people.api.ask(LISTING, caller=caller, id=people.ada["id"], **days)
        for caller in people.callers.values()
    ]
    assert all(each == seen[0] for each in seen)
    assert seen[0]["provider"]["availability"]["__typename"] == "Availability"


# ---------------------------------------------------------------- what each role may see


async def test_how_staff_are_reached_and_why_they_are_away_is_for_staff(people: Cast) -> None:
    document = """
        query ($id: ID!) {
            provider(id: $id) {
                name email phone subject exceptions(from: "2026-02-01", to: "2026-02-28") { date reason }
            }
        }
    """
    values = {
        "providerId": people.ada["id"],
        "date": "2026-02-02",
        "isBlocked": True,
        "reason": "Surgery",
    }
    await people.api.ask(SET_EXCEPTION, caller=people.api.admin, input=values)
    for name, caller in people.callers.items():
        seen = (await people.api.ask(document, caller=caller, id=people.ada["id"]))["provider"]
        staff = name in {"ada", "ben", "nobody's provider", "reception", "admin"}
        assert seen == {
            "name": "Ada",
            "email": "ada@example.com" if staff else None,
            "phone": "+4930901820" if staff else None,
            "subject": people.ada["subject"] if staff else None,
            "exceptions": [{"date": "2026-02-02", "reason": "Surgery" if staff else None}],
        }, name


async def test_an_appointment_is_seen_by_its_customer_its_provider_administrators_and_its_token(
    people: Cast,
) -> None:
    """For all others it does not exist: null, not an error."""
    for booked, seeing in (
        (people.robins, {"robin", "ada", "reception", "admin"}),
        (people.noors, {"noor's token", "ada", "reception", "admin"}),
    ):
        seen = set()
        for name, caller in people.callers.items():
            by_id = (
                await people.api.ask(APPOINTMENT, caller=caller, id=booked["appointment"]["id"])
            )["appointment"]
            as_node = (await people.api.ask(NODE, caller=caller, id=booked["appointment"]["id"]))[
                "node"
            ]
            assert (by_id is None) == (as_node is None)
            if by_id is not None:
                seen.add(name)
                assert by_id["contact"]["email"] == booked["appointment"]["contact"]["email"]
        assert seen == seeing


async def test_a_customer_is_seen_by_those_who_serve_them_and_by_themselves(
    people: Cast,
) -> None:
    """A guest never sees a record, not even with the manage token: others with the same e-mail may
    be behind it.
    """
    for booked, seeing in (
        (people.robins, {"robin", "ada", "ben", "reception", "admin"}),
        (people.noors, {"ada", "reception", "admin"}),
    ):
        seen, keys = set(), set()
        for name, caller in people.callers.items():
            shown = (
                await people.api.ask(
                    APPOINTMENT,
                    caller=caller,
                    id=booked["appointment"]["id"],
                    manageToken=booked["manageToken"],
                )
            )["appointment"]
            assert shown is not None, "the token shows the appointment"
            assert shown["contact"]["name"] == booked["appointment"]["contact"]["name"]
            if shown["customer"] is not None:
                seen.add(name)
                keys.add(shown["customer"]["id"])
        assert seen == seeing
        (key,) = keys
        fetching = {
            name
            for name, caller in people.callers.items()
            if (await people.api.ask(NODE, caller=caller, id=key))["node"]
        }
        assert fetching == seeing


async def test_lists_of_appointments_hold_what_the_caller_may_see(people: Cast) -> None:
    totals = {}
    for name, caller in people.callers.items():
        own = (await people.api.ask(APPOINTMENTS, caller=caller))["appointments"]
        of_ada = (await people.api.ask(OF_PROVIDER, caller=caller, id=people.ada["id"]))[
            "provider"
        ]["appointments"]
        assert (own["totalCount"], of_ada["totalCount"]) == (
            len(own["nodes"]),
            len(of_ada["nodes"]),
        )
        totals[name] = (own["totalCount"], of_ada["totalCount"])
    assert totals == {
        "anonymous": (0, 0),
        "stranger": (0, 0),
        "robin": (2, 0),
        "ada": (2, 2),
        "ben": (1, 0),
        "nobody's provider": (0, 0),
        "reception": (3, 2),
        "admin": (3, 2),
        "noor's token": (0, 0),
    }


async def test_guests_with_one_email_are_one_customer_and_an_account_is_never_joined(
    api: Api,
) -> None:
    """A guest who types a customer's e-mail is another customer; a guest who comes again is the
    same one.
    """
    ada = await a_provider(api)
    contact = {"name": "Robin", "email": "robin@example.com"}
    robin = api.customer("robin")
    await an_appointment(api, ada, "2026-01-13T09:00Z", caller=robin, customer=contact)
    for hour, email in (
        (10, "robin@example.com"),
        (11, "ROBIN@example.com"),
        (12, "robin@example.com"),
    ):
        await an_appointment(
            api, ada, f"2026-01-13T{hour}:00Z", customer={"name": "R", "email": email}
        )
    document = "{ appointments { nodes { customer { id name } contact { name email } } } }"
    nodes = (await api.ask(document, caller=api.admin))["appointments"]["nodes"]
    keys = [node["customer"]["id"] for node in nodes]
    assert keys[0] not in keys[1:]
    assert len(set(keys[1:])) == 1
    assert [node["contact"]["name"] for node in nodes] == ["Robin", "R", "R", "R"]
    assert len((await api.ask(document, caller=robin))["appointments"]["nodes"]) == 1


async def test_a_first_booking_without_contact_needs_a_token_that_has_it(api: Api) -> None:
    ada = await a_provider(api)
    silent = await book(api, ada, "2026-01-13T09:00Z", caller=api.customer("silent"), customer=None)
    assert (silent["__typename"], silent["field"]) == ("InvalidInputError", "customer")
    told = api.customer("told", name="Robin", email="robin@example.com")
    booked = await an_appointment(api, ada, "2026-01-13T09:00Z", caller=told, customer=None)
    contact = {"name": "Robin", "email": "robin@example.com"}
    assert booked["appointment"]["contact"] == contact | {"phone": None, "locale": None}
    # their own record, in the answer that made it
    assert booked["appointment"]["customer"]["name"] == "Robin"


# ---------------------------------------------------------------- organizations


async def test_another_organizations_ids_behave_as_if_they_did_not_exist(people: Cast) -> None:
    """In reading and in writing, for its administrator too; and its lists do not know them."""
    other = await people.api.another_organization()
    ask, caller = people.api.ask, other.admin
    ada, appointment = people.ada["id"], people.robins["appointment"]["id"]
    customer = (await ask(APPOINTMENT, caller=people.api.admin, id=appointment))["appointment"][
        "customer"
    ]["id"]
    for node_id in (ada, people.service["id"], appointment, customer):
        assert (await ask(NODE, caller=caller, id=node_id))["node"] is None
    assert (await ask("query ($id: ID!) { provider(id: $id) { id } }", caller=caller, id=ada))[
        "provider"
    ] is None
    assert (await ask("{ providers { totalCount nodes { id } } }", caller=caller))["providers"][
        "totalCount"
    ] == 0
    by_ids = "query ($ids: [ID!]) { providers(ids: $ids) { nodes { id } } }"
    assert (await ask(by_ids, caller=caller, ids=[ada]))["providers"]["nodes"] == []
    next_slots = "query ($ids: [ID!]) { nextAvailableSlots(providerIds: $ids) { startsAt } }"
    assert (await ask(next_slots, caller=caller, ids=[ada]))["nextAvailableSlots"] == []
    explain = (
        'query ($id: ID!) { explainTime(providerId: $id, startsAt: "2026-01-13T10:00:00Z") '
        "{ "
        "bookable } }"
    )
    assert (await ask(explain, caller=caller, id=ada))["explainTime"] is None
    assert (await ask(APPOINTMENT, caller=caller, id=appointment))["appointment"] is None
    token = people.robins["manageToken"]
    assert (await ask(APPOINTMENT, caller=caller, id=appointment, manageToken=token))[
        "appointment"
    ] is None
    assert (await ask(APPOINTMENTS, caller=caller))["appointments"]["totalCount"] == 0

    theirs = await a_provider(people.api, of=other)
    for document, values in (
        (UPDATE_PROVIDER, {"id": ada, "name": "Mine"}),
        (SET_HOURS, {"providerId": ada, "hours": []}),
        (SET_EXCEPTION, {"providerId": ada, "date": "2026-02-02", "isBlocked": True}),
        (REMOVE_EXCEPTION, {"providerId": ada, "date": "2026-02-02"}),
        (UPDATE_SERVICE, {"id": people.service["id"], "name": "Mine"}),
        (CREATE_SERVICE, {"name": "Mine", "durationMinutes": 30, "providerIds": [ada]}),
        (BOOK, a_booking(people.ada, "2026-01-14T10:00Z")),
        (BOOK, a_booking(theirs, "2026-01-14T10:00Z", serviceId=people.service["id"])),
    ):
        answer = (await ask(document, caller=caller, input=values))["answer"]
        assert answer["__typename"] == "NotFoundError", document


async def test_the_same_subject_in_another_organization_is_somebody_else(people: Cast) -> None:
    other = await people.api.another_organization()
    for caller in (other.acting_for(people.ada), other.customer("robin")):
        found = await people.api.ask(
            "{ viewer { role provider { id } customer { id } } }", caller=caller
        )
        assert (found["viewer"]["provider"], found["viewer"]["customer"]) == (None, None)
        assert (await people.api.ask(APPOINTMENTS, caller=caller))["appointments"][
            "totalCount"
        ] == 0


async def test_an_organization_header_may_repeat_the_token_never_contradict_it(api: Api) -> None:
    other = await api.another_organization()
    own, admin = api.organization, api.admin
    for name in (own.slug, str(own.id), own.id.hex):
        assert (
            await api.send(VIEWER, caller=Caller(token=admin.token, organization=name))
        ).status == 200
    for name in (
        other.organization.slug,
        str(other.organization.id),
        "no-such-practice",
        str(uuid4()),
        "",
        "é",
    ):
        refused = await api.send(VIEWER, caller=Caller(token=admin.token, organization=name))
        assert (refused.status, refused.codes) == (403, ["FORBIDDEN"]), name
        assert "data" not in refused.body
    booked = await an_appointment(api, await a_provider(api), "2026-01-13T10:00Z")
    token = Caller(token=booked["manageToken"], organization=other.organization.slug)
    assert (await api.send(VIEWER, caller=token)).status == 403


async def test_a_tokens_contact_is_validated_like_a_typed_one(api: Api) -> None:
    """A name or an e-mail that can't be kept is no reason to fail: the customer is
    asked for them.
    """
    ada = await a_provider(api)
    for claims in (
        {"name": "Ro\0bin", "email": "robin@example.com"},
        {"name": "x" * 201, "email": "robin@example.com"},
        {"name": "Robin", "email": "robin"},
        {"name": "\ud800", "email": "robin@example.com"},
    ):
        refused = await book(
            api, ada, "2026-01-13T09:00Z", caller=api.customer("robin", **claims), customer=None
        )
        assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "customer")


async def test_a_caller_without_a_token_names_an_organization_that_exists(api: Api) -> None:
    """By its public slug; an id, which is no public name, is none."""
    for name in (None, "no-such-practice", "", str(api.organization.id), "x" * 5_000, "a\0b", "É"):
        refused = await api.send(VIEWER, caller=Caller(organization=name))
        assert refused.codes == ["BAD_USER_INPUT"], name
        assert "data" not in refused.body


# ---------------------------------------------------------------- tokens


def forged(
    api: Tenant,
    secret: str,
    *,
    algorithm: str = "HS256",
    headers: Json | None = None,
    **changes: object,
) -> str:
    claims: Json = {
        "sub": "an-admin",
        "organization": api.organization.slug,
        "role": "admin",
        "exp": int((system_clock() + timedelta(minutes=5)).timestamp()),
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not ...}
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def unsigned(claims: Json) -> str:
    def part(value: Json) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


async def test_a_bad_token_is_refused_never_taken_for_none(api: Api) -> None:
    """Every invalid token gets 401 and UNAUTHENTICATED, and nothing runs."""
    secret = "a secret of the tests of at least thirty-two bytes"
    good = forged(api, secret)
    assert (await api.send(VIEWER, caller=Caller(token=good))).data == {"viewer": {"role": "ADMIN"}}
    past = int((system_clock() - timedelta(minutes=5)).timestamp())
    head, body, signature = good.split(".")
    bad = {
        "expired": forged(api, secret, exp=past),
        "expiring now": forged(api, secret, exp=int(system_clock().timestamp())),
        "never expiring": forged(api, secret, exp=...),
        "not yet": forged(
            api, secret, nbf=int((system_clock() + timedelta(minutes=5)).timestamp())
        ),
        "foreign key": forged(api, "x" * 40),
        "manage key": forged(api, "another secret of the tests of at least 32 bytes"),
        "HS384": forged(api, secret, algorithm="HS384"),
        "no algorithm": unsigned(jwt.decode(good, options={"verify_signature": False})),
        "no signature": f"{head}.{body}.",
        "cut": good[:-1],
        "turned": f"{head}.{body}.{signature[::-1]}",
        "no subject": forged(api, secret, sub=...),
        "empty subject": forged(api, secret, sub=""),
        "no role": forged(api, secret, role=...),
        "unknown role": forged(api, secret, role="root"),
        "shouted role": forged(api, secret, role="ADMIN"),
        "anonymous role": forged(api, secret, role="anonymous"),
        "list of roles": forged(api, secret, role=["admin"]),
        "no organization": forged(api, secret, organization=...),
        "unknown organization": forged(api, secret, organization="no-such-practice"),
        "numbered organization": forged(api, secret, organization=5),
        "other audience": forged(api, secret, aud="another-service"),
        "manage audience": forged(api, secret, aud="manage"),
        "manage type": forged(api, secret, headers={"typ": "manage+jwt"}),
        "critical": forged(api, secret, headers={"crit": ["exp2"], "exp2": 1}),
        "subject no text": forged(api, secret, sub=7),
        "organization with a zero": forged(api, secret, organization="pra\0ctice"),
        "organization with half a character": forged(api, secret, organization="\ud800"),
        "subject with a zero": forged(api, secret, role="customer", sub="ro\0bin"),
        "subject with half a character": forged(api, secret, role="customer", sub="\ud800"),
        "subject without an end": forged(api, secret, role="customer", sub="x" * 256),
        "endless": forged(api, secret, name="x" * 9_000),
        "nonsense": "nonsense",
        "dots": "..",
        "two parts": "a.b",
    }
    for name, token in bad.items():
        refused = await api.send(VIEWER, caller=Caller(token=token))
        assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"]), name
        assert "data" not in refused.body, name
        refused = await api.send(
            VIEWER, caller=Caller(token=token, organization=api.organization.slug)
        )
        assert refused.status == 401, name


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "bearer-token", "Token x", "\u00e9"],
)
async def test_an_authorization_that_is_no_bearer_token_is_refused(api: Api, header: str) -> None:
    response = await api.http.post(
        "/graphql",
        json={"query": VIEWER},
        headers=[
            (b"authorization", header.encode("latin-1")),
            (b"slotwright-organization", api.organization.slug.encode()),
        ],
    )
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_scheme_is_read_in_any_case(api: Api) -> None:
    """RFC 9110, section 11.1."""
    response = await api.http.post(
        "/graphql", json={"query": VIEWER}, headers={"Authorization": f"bEaReR {api.admin.token}"}
    )
    assert response.json() == {"data": {"viewer": {"role": "ADMIN"}}}


async def test_a_manage_token_is_no_access_token_and_the_reverse(people: Cast) -> None:
    """Each opens what it is for: keys, audience and type are apart."""
    api, token = people.api, people.noors["manageToken"]
    viewer = "{ viewer { role provider { id } customer { id } } }"
    assert (await api.ask(viewer, caller=Caller(token=token)))["viewer"] == {
        "role": "ANONYMOUS",
        "provider": None,
        "customer": None,
    }
    payload = jwt.decode(token, options={"verify_signature": False})
    # as it is, but for its type
    as_access = jwt.encode(payload, "another secret of the tests of at least 32 bytes")
    assert (await api.send(VIEWER, caller=Caller(token=as_access))).status == 401
    for strange in (
        api.admin.token,
        people.robins["manageToken"],
        as_access,
        "",
        "nonsense",
        "x" * 5_000,
        "\ud800",
    ):
        shown = await api.send(
            APPOINTMENT, id=people.noors["appointment"]["id"], manageToken=strange
        )
        assert shown.status == 400 or shown.data == {"appointment": None}, strange
    assert (await api.send(VIEWER, caller=Caller(token=token[:-2]))).status == 401


async def test_a_manage_token_opens_its_appointment_until_a_month_after_it(people: Cast) -> None:
    api, visit, token = people.api, people.noors["appointment"], people.noors["manageToken"]
    month = datetime.fromisoformat(visit["endsAt"]) + timedelta(days=30)
    for now, is_open in ((month, True), (month + timedelta(seconds=1), False)):
        api.clock.set(now)
        for caller in (api.anonymous, Caller(token=token)):
            shown = await api.ask(APPOINTMENT, caller=caller, id=visit["id"], manageToken=token)
            assert (shown["appointment"] is not None) == is_open


async def test_an_id_that_is_guessed_opens_nothing(people: Cast) -> None:
    token = people.noors["manageToken"]
    for node_id in (unknown("Appointment"), people.robins["appointment"]["id"], people.ada["id"]):
        assert (await people.api.ask(APPOINTMENT, id=node_id, manageToken=token))[
            "appointment"
        ] is None
