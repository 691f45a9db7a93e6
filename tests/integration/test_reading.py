"""What can be read: providers, services, hours, exceptions, appointments, nodes, the viewer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    PROVIDER_FIELDS,
    SERVICE_FIELDS,
    Api,
    Json,
    a_provider,
    a_service,
    an_appointment,
    key_in,
    subset,
    unknown,
    utc,
    weekly,
)

PROVIDERS = """
    query ($first: Int, $after: String, $last: Int, $before: String, $search: String, $ids: [ID!]) {
        providers(first: $first, after: $after, last: $last, before: $before, search: $search, ids: $ids) {
            edges { cursor node { id name } } nodes { name } totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""

APPOINTMENTS = """
    query ($from: DateTime, $to: DateTime, $status: [AppointmentStatus!], $first: Int, $after: String, $last: Int,
           $before: String) {
        appointments(
            from: $from, to: $to, status: $status, first: $first, after: $after, last: $last, before: $before
        ) {
            edges { cursor node { id } } nodes { startsAt } totalCount
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
NODE = (
    "query ($id: ID!) { node(id: $id) { __typename id ... on Provider { name } ... on Service "
    "{ "
    "name } } }"
)

ONE_PROVIDER = (
    """
    query ($id: ID!, $from: Date!, $to: Date!) {
        provider(id: $id) {
            ...ProviderFields
            services { ...ServiceFields }
            exceptions(from: $from, to: $to) { id date isBlocked start end reason }
        }
    }
"""
    + PROVIDER_FIELDS
    + SERVICE_FIELDS
)

SET_EXCEPTION = """
    mutation ($input: SetExceptionInput!) { answer: setException(input: $input) { __typename ... on Provider { id } } }
"""


def names(connection: Json) -> list[str]:
    assert [edge["node"]["name"] for edge in connection["edges"]] == [
        node["name"] for node in connection["nodes"]
    ]
    return [node["name"] for node in connection["nodes"]]


# ---------------------------------------------------------------- providers


async def test_providers_are_paged_in_the_order_of_their_names_in_both_directions(api: Api) -> None:
    """Walking forwards and walking backwards give the same list, each row once, in one order."""
    for name in ("Emil", "ada", "Ada", "Ada", "Öz", "Bea"):
        await a_provider(api, name=name)
    whole = (await api.ask(PROVIDERS, first=100))["providers"]
    assert names(whole) == ["ada", "Ada", "Ada", "Bea", "Emil", "Öz"]
    assert whole["totalCount"] == 6
    assert whole["pageInfo"]["hasNextPage"] is whole["pageInfo"]["hasPreviousPage"] is False

    forwards: list[Json] = []
    page: dict[str, Any] = {"first": 2}
    while True:
        connection = (await api.ask(PROVIDERS, **page))["providers"]
        forwards += connection["edges"]
        assert connection["totalCount"] == 6
        assert connection["pageInfo"]["hasPreviousPage"] is ("after" in page)
        if not connection["pageInfo"]["hasNextPage"]:
            break
        page["after"] = connection["pageInfo"]["endCursor"]
    assert forwards == whole["edges"]

    backwards: list[Json] = []
    page = {"last": 4}
    while True:
        connection = (await api.ask(PROVIDERS, **page))["providers"]
        backwards = connection["edges"] + backwards
        assert connection["pageInfo"]["hasNextPage"] is ("before" in page)
        if not connection["pageInfo"]["hasPreviousPage"]:
            break
        page["before"] = connection["pageInfo"]["startCursor"]
    assert backwards == whole["edges"]


async def test_names_are_sorted_as_people_sort_whatever_the_locale_of_the_server(api: Api) -> None:
    """Letters before accents before case, in lists sorted by name; and so page by page."""
    in_order = [
        "Aebi", "Ærø", "Ärztin", "back", "Elan", "élan", "Łukasz", "Maß", "Øst", "zebra", "Zebra",
        "Ωmega", "борис", "Вера",  # noqa: RUF001  they are Cyrillic
    ]  # fmt: skip
    providers = [await a_provider(api, name=name) for name in reversed(in_order)]
    for name in in_order[::2] + in_order[1::2]:
        await a_service(api, *providers, name=name)
    assert names((await api.ask(PROVIDERS, first=100))["providers"]) == in_order
    one_by_one: list[str] = []
    page: dict[str, Any] = {"first": 1}
    for _ in in_order:
        connection = (await api.ask(PROVIDERS, **page))["providers"]
        one_by_one += names(connection)
        page["after"] = connection["pageInfo"]["endCursor"]
    assert one_by_one == in_order
    offered = await api.ask(
        "query ($id: ID!) { provider(id: $id) { services { name providers { name } } } }",
        id=providers[0]["id"],
    )
    services = offered["provider"]["services"]
    assert [each["name"] for each in services] == in_order
    # A service's providers keep its own order.
    assert [each["name"] for each in services[0]["providers"]] == in_order[::-1]


async def test_a_page_does_not_shift_when_rows_come_before_it(api: Api) -> None:
    """A cursor names a place in the order, not a number of rows."""
    for name in ("Bea", "Dora", "Finn"):
        await a_provider(api, name=name)
    first = (await api.ask(PROVIDERS, first=2))["providers"]
    await a_provider(api, name="Ada")
    second = (await api.ask(PROVIDERS, first=2, after=first["pageInfo"]["endCursor"]))["providers"]
    assert names(first) + names(second) == ["Bea", "Dora", "Finn"]


async def test_between_two_cursors_lie_the_rows_between_them(api: Api) -> None:
    for name in "ABCDE":
        await a_provider(api, name=name)
    edges = (await api.ask(PROVIDERS))["providers"]["edges"]
    between = {"after": edges[0]["cursor"], "before": edges[4]["cursor"]}
    assert names((await api.ask(PROVIDERS, **between))["providers"]) == ["B", "C", "D"]
    assert names((await api.ask(PROVIDERS, last=2, **between))["providers"]) == ["C", "D"]
    crossed = {"after": edges[3]["cursor"], "before": edges[1]["cursor"]}
    assert names((await api.ask(PROVIDERS, **crossed))["providers"]) == []


async def test_search_finds_names_that_contain_the_text_in_any_case(api: Api) -> None:
    for name in ("Dr Ada Moreau", "Ben 100% Okafor", "Chiyo_Tanaka", "Élodie"):
        await a_provider(api, name=name)
    for text, found in (
        ("MOREAU", ["Dr Ada Moreau"]),
        ("o", ["Ben 100% Okafor", "Chiyo_Tanaka", "Dr Ada Moreau", "Élodie"]),
        ("élo", ["Élodie"]),
        ("%", ["Ben 100% Okafor"]),  # no wildcard
        ("_", ["Chiyo_Tanaka"]),
        ("'; DROP TABLE provider; --", []),
        ("\0", ["Ben 100% Okafor", "Chiyo_Tanaka", "Dr Ada Moreau", "Élodie"]),
    ):
        connection = (await api.ask(PROVIDERS, search=text))["providers"]
        assert (names(connection), connection["totalCount"]) == (found, len(found)), text


async def test_ids_restrict_the_list_and_unknown_ones_are_left_out(api: Api) -> None:
    ada, _, finn = [await a_provider(api, name=name) for name in ("Ada", "Bea", "Finn")]
    service = await a_service(api, ada)
    wanted = [finn["id"], unknown("Provider"), "not an id", "", service["id"], ada["id"], ada["id"]]
    connection = (await api.ask(PROVIDERS, ids=wanted))["providers"]
    assert (names(connection), connection["totalCount"]) == (["Ada", "Finn"], 2)
    assert names((await api.ask(PROVIDERS, ids=[]))["providers"]) == []
    assert names((await api.ask(PROVIDERS, ids=wanted, search="inn"))["providers"]) == ["Finn"]


@pytest.mark.parametrize("size", ["first", "last"])
async def test_a_page_of_no_rows_is_empty_and_says_whether_there_are_any(
    api: Api, size: str
) -> None:
    for more in (False, True):
        page: Json = {size: 0}
        found = (await api.ask(PROVIDERS, **page))["providers"]
        assert (names(found), found["edges"], found["totalCount"]) == ([], [], int(more))
        info = found["pageInfo"]
        assert (info["startCursor"], info["endCursor"]) == (None, None)
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (
            more and size == "first",
            more and size == "last",
        )
        await a_provider(api, name="Ada")


@pytest.mark.parametrize(
    ("page", "field"),
    [
        ({"first": -1}, "first"),
        ({"first": 101}, "first"),
        ({"last": -1}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": "nonsense"}, "after"),
        ({"before": ""}, "before"),
    ],
)
async def test_a_page_that_cannot_be_is_a_request_error_that_names_the_argument(
    api: Api, page: Json, field: str
) -> None:
    answer = await api.send(PROVIDERS, **page)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == field
    assert answer.body["data"] == {"providers": None}


async def test_a_cursor_of_one_list_is_none_of_another(api: Api) -> None:
    ada = await a_provider(api)
    await an_appointment(api, ada, "2026-01-12T10:00Z")
    cursor = (await api.ask(PROVIDERS))["providers"]["edges"][0]["cursor"]
    answer = await api.send(APPOINTMENTS, caller=api.admin, after=cursor)
    assert answer.codes == ["BAD_USER_INPUT"]


async def test_a_provider_is_read_with_all_that_hangs_on_them(api: Api) -> None:
    """Hours and breaks in the order of the week, exceptions by date and start, services by name."""
    fee = {"amountMinor": 1500, "currency": "EUR"}
    policy = {
        "freeUntilMinutesBefore": 60,
        "lateCancellation": "FEE",
        "lateFee": fee,
        "lateFeePercent": None,
    }
    ada = await a_provider(
        api,
        name="  Ada  ",
        timeZone="Europe/Berlin",
        serviceDurationMinutes=45,
        bufferMinutes=15,
        slotIntervalMinutes=20,
        minNoticeMinutes=120,
        maxAdvanceBookingDays=90,
        email="Ada@Example.COM",
        phone="+49 30 901820",
        cancellationPolicy=policy,
        weeklyHours=[
            {"weekday": "TUESDAY", "start": "22:00", "end": "02:00"},
            {"weekday": "MONDAY", "start": "13:00", "end": "24:00", "effectiveFrom": "2026-01-01"},
            {"weekday": "MONDAY", "start": "09:00", "end": "12:00", "effectiveUntil": "2026-06-30"},
        ],
        breaks=weekly("10:00", "10:15", ["MONDAY"]),
    )
    late = await a_service(api, ada, name="Z", bufferBeforeMinutes=5, bufferAfterMinutes=10)
    early = await a_service(api, ada, name="A", price={"amountMinor": 5000, "currency": "EUR"})
    for date, ranges, is_blocked in (
        (
            "2026-02-02",
            [{"start": "14:00", "end": "15:00"}, {"start": "08:00", "end": "09:00"}],
            True,
        ),
        ("2026-02-01", [], True),
        ("2026-03-01", [{"start": "20:00", "end": "01:00"}], False),
    ):
        values = {
            "providerId": ada["id"],
            "date": date,
            "isBlocked": is_blocked,
            "ranges": ranges,
            "reason": "Why not",
        }
        await api.ask(SET_EXCEPTION, caller=api.admin, input=values)

    days = {"from": "2026-02-01", "to": "2026-02-28"}
    found = (await api.ask(ONE_PROVIDER, caller=api.admin, id=ada["id"], **days))["provider"]
    plain = (
        "name",
        "timeZone",
        "serviceDurationMinutes",
        "bufferMinutes",
        "slotIntervalMinutes",
        "minNoticeMinutes",
    )
    assert subset(
        found, (*plain, "maxAdvanceBookingDays", "email", "phone", "cancellationPolicy")
    ) == {
        "name": "Ada",
        "timeZone": "Europe/Berlin",
        "serviceDurationMinutes": 45,
        "bufferMinutes": 15,
        "slotIntervalMinutes": 20,
        "minNoticeMinutes": 120,
        "maxAdvanceBookingDays": 90,
        "email": "Ada@example.com",
        "phone": "+4930901820",
        "cancellationPolicy": policy,
    }
    week = ("weekday", "start", "end", "effectiveFrom", "effectiveUntil")
    assert [tuple(subset(hours, week).values()) for hours in found["weeklyHours"]] == [
        ("MONDAY", "09:00", "12:00", None, "2026-06-30"),
        ("MONDAY", "13:00", "24:00", "2026-01-01", None),
        ("TUESDAY", "22:00", "02:00", None, None),
    ]
    assert [tuple(subset(hours, week).values()) for hours in found["breaks"]] == [
        ("MONDAY", "10:00", "10:15", None, None)
    ]
    assert [
        (each["date"], each["isBlocked"], each["start"], each["end"])
        for each in found["exceptions"]
    ] == [
        ("2026-02-01", True, None, None),
        ("2026-02-02", True, "08:00", "09:00"),
        ("2026-02-02", True, "14:00", "15:00"),
    ]
    assert found["services"] == [subset(each, list(found["services"][0])) for each in (early, late)]
    assert early["providers"] == [{"id": ada["id"]}]
    ids = [
        each["id"]
        for name in ("weeklyHours", "breaks", "exceptions", "services")
        for each in found[name]
    ]
    assert len({*ids, found["id"]}) == len(ids) + 1


async def test_dates_out_of_order_and_too_many_dates_of_exceptions_are_request_errors(
    api: Api,
) -> None:
    ada = await a_provider(api)
    for first, last in (("2026-02-02", "2026-02-01"), ("2026-01-01", "2027-03-01")):
        days: Json = {"from": first, "to": last}
        answer = await api.send(ONE_PROVIDER, id=ada["id"], **days)
        assert answer.codes == ["BAD_USER_INPUT"]


async def test_what_does_not_exist_is_null(api: Api) -> None:
    ada = await a_provider(api)
    service = await a_service(api, ada)
    for strange in (unknown("Provider"), service["id"], "", "Provider:1", "=", "é" * 2_000):
        assert (await api.ask("query ($id: ID!) { provider(id: $id) { id } }", id=strange))[
            "provider"
        ] is None
        assert (await api.ask("query ($id: ID!) { appointment(id: $id) { id } }", id=strange))[
            "appointment"
        ] is None
    for strange in (
        unknown("Provider"),
        unknown("Service"),
        unknown("Wombat"),
        unknown("WeeklyHours"),
        "",
        "x" * 5_000,
    ):
        assert (await api.ask(NODE, id=strange))["node"] is None


async def test_an_object_can_be_fetched_again_by_its_id(api: Api) -> None:
    """Relay: `node` gives every object by its own id, `nodes` many at once, in the order asked for,
    null for gaps.
    """
    ada = await a_provider(api, name="Ada")
    service = await a_service(api, ada, name="Cut")
    booked = (await an_appointment(api, ada, "2026-01-12T10:00Z"))["appointment"]
    customer = (
        await api.ask(
            "query ($id: ID!) { appointment(id: $id) { customer { id } } }",
            caller=api.admin,
            id=booked["id"],
        )
    )["appointment"]["customer"]
    assert (await api.ask(NODE, id=ada["id"]))["node"] == {
        "__typename": "Provider",
        "id": ada["id"],
        "name": "Ada",
    }
    assert (await api.ask(NODE, id=service["id"]))["node"]["name"] == "Cut"
    ids = [
        booked["id"],
        service["id"],
        unknown("Service"),
        customer["id"],
        ada["id"],
        ada["id"],
        "nothing",
    ]
    found = (await api.ask(NODES, caller=api.admin, ids=ids))["nodes"]
    assert found == [
        {"__typename": "Appointment", "id": booked["id"]},
        {"__typename": "Service", "id": service["id"]},
        None,
        {"__typename": "Customer", "id": customer["id"]},
        {"__typename": "Provider", "id": ada["id"]},
        {"__typename": "Provider", "id": ada["id"]},
        None,
    ]
    answer = await api.send(NODES, caller=api.admin, ids=[ada["id"]] * 101)
    assert answer.codes == ["BAD_USER_INPUT"]


async def test_the_viewer_is_whom_the_token_names(api: Api) -> None:
    document = "{ viewer { role provider { id } customer { name email timeZone } } }"

    async def viewer(caller: Any) -> Any:  # noqa: ANN401  any caller, any answer
        return (await api.ask(document, caller=caller))["viewer"]

    ada = await a_provider(api)
    nobody = {"provider": None, "customer": None}
    assert await viewer(api.anonymous) == {"role": "ANONYMOUS"} | nobody
    assert await viewer(api.admin) == {"role": "ADMIN"} | nobody
    assert await viewer(api.acting_for(ada)) == {
        "role": "PROVIDER",
        "provider": {"id": ada["id"]},
        "customer": None,
    }
    assert await viewer(api.acting_for({"subject": "whoever"})) == {"role": "PROVIDER"} | nobody
    robin = api.customer("robin", name="Robin", email="robin@example.com")
    assert await viewer(robin) == {"role": "CUSTOMER"} | nobody
    await an_appointment(api, ada, "2026-01-12T10:00Z", caller=robin, customer=None)
    assert await viewer(robin) == {
        "role": "CUSTOMER",
        "provider": None,
        "customer": {"name": "Robin", "email": "robin@example.com", "timeZone": "Europe/Berlin"},
    }


# ---------------------------------------------------------------- appointments


async def test_an_appointment_reads_as_it_was_booked(api: Api) -> None:
    ada = await a_provider(api, timeZone="America/New_York")
    cut = await a_service(api, ada, durationMinutes=45)
    api.clock.set("2026-01-11T20:15:30Z")
    confirmed = await an_appointment(
        api,
        ada,
        "2026-01-12T10:30:00-05:00",
        serviceId=cut["id"],
        durationMinutes=45,
        customerTimeZone="Asia/Kolkata",
        notes="  Ring twice.\nThen wait. ",
        customer={
            "name": " Noor Haddad ",
            "email": "Noor@EXAMPLE.com",
            "phone": "+33 1 23 45 67 89",
            "locale": "fr_CA",
        },
    )
    assert confirmed["appointment"] == {
        "id": confirmed["appointment"]["id"],
        "status": "CONFIRMED",
        "startsAt": "2026-01-12T15:30:00Z",
        "endsAt": "2026-01-12T16:15:00Z",
        "customerTimeZone": "Asia/Kolkata",
        "localStart": "2026-01-12T21:00:00+05:30",
        "notes": "Ring twice.\nThen wait.",
        "version": 1,
        "createdAt": "2026-01-11T20:15:30Z",
        "contact": {
            "name": "Noor Haddad",
            "email": "Noor@example.com",
            "phone": "+33123456789",
            "locale": "fr-CA",
        },
        "customer": None,  # a guest is no account
        "provider": {"id": ada["id"]},
        "service": {"id": cut["id"]},
    }


async def test_an_appointment_is_shown_on_the_wall_clock_of_any_zone(api: Api) -> None:
    """The customer's zone where none is named; start and end each with the offset of its instant."""
    ada = await a_provider(
        api,
        timeZone="Europe/Berlin",
        serviceDurationMinutes=180,
        weeklyHours=weekly("00:00", "24:00"),
    )
    api.clock.set("2026-03-28T12:00Z")
    booked = await an_appointment(api, ada, "2026-03-28T23:00Z", customerTimeZone="Asia/Kolkata")
    ask = """query ($id: ID!, $zone: TimeZone) { appointment(id: $id) {
        localStart localEnd start: localStart(timeZone: $zone) end: localEnd(timeZone: $zone)
    } }"""
    values = {"id": booked["appointment"]["id"], "zone": "Europe/Berlin"}
    found = await api.ask(ask, caller=api.admin, **values)
    assert found["appointment"] == {
        "localStart": "2026-03-29T04:30:00+05:30",
        "localEnd": "2026-03-29T07:30:00+05:30",
        "start": "2026-03-29T00:00:00+01:00",
        "end": "2026-03-29T04:00:00+02:00",
    }
    answer = await api.send(ask, caller=api.admin, **(values | {"zone": "Mars/Olympus"}))
    assert answer.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "said"),
    [
        (4950, "EUR", None, "€49.50"),
        (4950, "EUR", "de-AT", "€\u00a049,50"),
        (4950, "EUR", "fr", "49,50\u00a0€"),
        (1200, "JPY", "en", "¥1,200"),
        (1500, "KWD", "en", "KWD\u00a01.500"),
        (4950, "EUR", "tlh", "€49.50"),
        (4950, "EUR", "../../etc/passwd", "€49.50"),
    ],
)
async def test_an_amount_is_written_as_people_write_it(
    api: Api, amount: int, currency: str, locale: str | None, said: str
) -> None:
    ada = await a_provider(api)
    price = {"amountMinor": amount, "currency": currency}
    service = await a_service(api, ada, price=price)
    given = "" if locale is None else "(locale: $locale)"
    declared = "" if locale is None else ", $locale: String!"
    ask = f"query ($id: ID!{declared}) {{ service(id: $id) {{ price {{ formatted{given} }} }} }}"
    values = {"id": service["id"]} | ({} if locale is None else {"locale": locale})
    assert (await api.ask(ask, **values))["service"]["price"]["formatted"] == said


async def test_appointments_are_listed_by_start_filtered_and_paged(api: Api) -> None:
    """`from` is inclusive, `to` exclusive; pages fit together in both directions; an empty filter
    finds nothing.
    """
    ada, ben = await a_provider(api), await a_provider(api)
    at = utc("2026-01-12", "09:00", "10:00", "11:00") + utc("2026-01-13", "09:00")
    for provider, start in ((ada, at[3]), (ben, at[1]), (ada, at[0]), (ada, at[1]), (ben, at[2])):
        await an_appointment(api, provider, start)

    async def starts(**asked: object) -> list[str]:
        connection = (await api.ask(APPOINTMENTS, caller=api.admin, **asked))["appointments"]
        if asked.keys().isdisjoint({"first", "last"}):
            assert connection["totalCount"] == len(connection["nodes"])
        return [node["startsAt"] for node in connection["nodes"]]

    assert await starts() == [at[0], at[1], at[1], at[2], at[3]]
    assert await starts(**{"from": at[1], "to": at[3]}) == [at[1], at[1], at[2]]
    assert await starts(**{"from": at[3]}) == [at[3]]
    assert await starts(to=at[0]) == []
    assert await starts(status=["CONFIRMED"]) == await starts()
    assert await starts(status=["CANCELLED", "NO_SHOW"]) == await starts(status=[]) == []
    assert (
        await starts(**{"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"})
        == await starts()
    )

    whole = (await api.ask(APPOINTMENTS, caller=api.admin))["appointments"]["edges"]
    first = (await api.ask(APPOINTMENTS, caller=api.admin, first=2))["appointments"]
    second = await api.ask(
        APPOINTMENTS, caller=api.admin, first=2, after=first["pageInfo"]["endCursor"]
    )
    last = (await api.ask(APPOINTMENTS, caller=api.admin, last=1))["appointments"]
    assert first["edges"] + second["appointments"]["edges"] + last["edges"] == whole
    assert (
        first["pageInfo"]["hasNextPage"]
        is second["appointments"]["pageInfo"]["hasNextPage"]
        is True
    )
    assert last["pageInfo"] | {"startCursor": None, "endCursor": None} == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": None,
    }
    keys = [key_in(edge["node"]["id"]) for edge in whole]
    assert keys[1] < keys[2]  # equal starts stand in the order of their keys


async def test_appointments_of_a_provider_are_those_of_the_provider_alone(api: Api) -> None:
    ada, ben = await a_provider(api), await a_provider(api)
    await an_appointment(api, ada, "2026-01-12T10:00Z")
    await an_appointment(api, ben, "2026-01-12T11:00Z")
    document = """
        query ($id: ID!, $status: [AppointmentStatus!], $from: DateTime, $to: DateTime) {
            provider(id: $id) { appointments(status: $status, from: $from, to: $to) { totalCount nodes { startsAt } } }
        }
    """
    found = (await api.ask(document, caller=api.admin, id=ada["id"]))["provider"]["appointments"]
    assert found == {"totalCount": 1, "nodes": [{"startsAt": "2026-01-12T10:00:00Z"}]}
    later = {"from": "2026-01-12T10:01:00Z"}
    found = (await api.ask(document, caller=api.admin, id=ada["id"], **later))["provider"][
        "appointments"
    ]
    assert found == {"totalCount": 0, "nodes": []}
