"""Customers as staff find and enter them: by words, page by page, each by those who may."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any
from uuid import UUID

import pytest

from app.store.pool import transaction
from tests.builders import (
    Api,
    Caller,
    Json,
    a_provider,
    a_resource,
    a_service,
    an_appointment,
    book,
    key_in,
    made,
    weekly,
)
from tests.integration.security_world import RENEW_FEED

CREATE = """mutation ($input: CreateCustomerInput!) { answer: createCustomer(input: $input) {
  __typename ... on Customer { id name email phone timeZone locale channels externalId createdAt }
  ... on InvalidInputError { field } ... on UserError { message } } }"""
UPDATE = """mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) {
  __typename ... on Customer { id name externalId } ... on InvalidInputError { field } } }"""
ERASE = """mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"""
FIND = """query ($search: String, $first: Int, $after: String, $last: Int, $before: String) {
  customers(search: $search, first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { id name email phone }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
GUEST = UUID(int=1)
FIRST_TIMER = ("First Timer", "first@example.com", None)
ONE = "query ($id: ID!) { customer(id: $id) { id name email phone } }"


async def a_customer(api: Api, name: str, caller: Caller | None = None, **values: object) -> Json:
    """Somebody whom staff entered."""
    asked: Json = {"name": name, "timeZone": "Europe/Berlin", **values}
    if not {"email", "phone"} & set(values):
        asked["email"] = "front@desk.example"
    answer = await api.ask(CREATE, caller=caller or api.admin, input=asked)
    return made(answer["answer"], "Customer")


async def found(api: Api, search: str | None, caller: Caller | None = None) -> list[str]:
    """The names that a search finds, in its order."""
    page = await api.ask(FIND, caller=caller or api.admin, search=search, first=100)
    names = [each["name"] for each in page["customers"]["nodes"]]
    assert page["customers"]["totalCount"] == len(names)
    return names


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        ("zoe", True),
        ("ZOË", True),
        ("brien", True),
        ("o'brien", True),
        ("o'b zo", True),
        ("mull zo", True),
        ("Müller-O'Brien", True),
        ("zoe.ob", True),
        ("zoe.obrien@example.com", True),
        ("example", True),
        ("rien", False),
        ("zoe smith", False),
        ("obrien@", True),
        ("+49 30 901 820", True),
        ("0049 30-90", True),
        ("+49 (0)30 901820", True),
        ("030/901820", True),
        ("(030) 90", True),
        ("3090", True),
        ("901820", False),
        ("0301", False),
        ("zoe 030 90", True),
        ("%", True),
        ("_", True),
        ("  ", True),
        ("z%x", False),
        ("\\", True),
        ("\U0010ffff", False),
        ("\x00zoe\x00", True),
    ],
)
async def test_words_are_found_by_their_beginnings(
    api: Api, search: str, *, is_found: bool
) -> None:
    """In name, e-mail and phone, in any order; accents, case and the grouping of digits make no
    difference. What has no word in it finds everybody.
    """
    await a_customer(
        api, "Zoë Müller-O’Brien", email="zoe.obrien@example.com", phone="+49 30 901820"
    )
    assert await found(api, search) == (["Zoë Müller-O’Brien"] if is_found else [])


@pytest.mark.parametrize(
    ("phone", "searches"),
    [
        ("+1 212 555 0123", ["212 555", "1212", "+1 (212) 555-0123"]),
        ("+39 06 6982", ["06 69", "+39 06", "3906"]),
        ("+7 495 1234567", ["495123", "0495", "7495"]),
        ("+353 1 2345678", ["01 234", "353 1", "12345"]),
    ],
)
async def test_a_number_begins_with_its_country_code_or_without_it(
    api: Api, phone: str, searches: list[str]
) -> None:
    await a_customer(api, "Kim", phone=phone)
    for search in searches:
        assert await found(api, search) == ["Kim"], search


async def test_every_script_is_found(api: Api) -> None:
    for name in ("Ярослав Шевченко", "Ελένη Παπαδοπούλου", "山田 太郎", "Þór Æsir", "Weiß"):
        await a_customer(api, name)
    assert await found(api, "ШЕВ") == ["Ярослав Шевченко"]
    assert await found(api, "παπα") == ["Ελένη Παπαδοπούλου"]
    assert await found(api, "太") == ["山田 太郎"]
    assert await found(api, "aesir") == ["Þór Æsir"]
    assert await found(api, "WEISS") == ["Weiß"]


async def test_the_list_is_by_name_and_a_search_by_the_word_found(api: Api) -> None:
    """A customer with several words that begin so is listed once."""
    for name in ("Zoe Anders", "Anna Anders", "Ärne Adler", "Bo Annan", "anton Yeo"):
        await a_customer(api, name)
    everybody = ["Anna Anders", "anton Yeo", "Ärne Adler", "Bo Annan", "Zoe Anders"]
    assert await found(api, None) == everybody
    assert await found(api, "") == everybody
    assert await found(api, "an") == ["Anna Anders", "Zoe Anders", "Bo Annan", "anton Yeo"]
    assert await found(api, "an a") == ["Anna Anders", "Zoe Anders", "Bo Annan", "anton Yeo"]
    assert await found(api, "a") == [
        "Ärne Adler", "Anna Anders", "Zoe Anders", "Bo Annan", "anton Yeo",
    ]  # fmt: skip


@pytest.mark.parametrize("search", [None, "a", "a desk", "an front"])
async def test_pages_go_both_ways_and_never_shift(api: Api, search: str | None) -> None:
    """The pages of any size, forwards and backwards, make up the list; and what is added before a
    cursor moves nothing.
    """
    for number in range(13):
        await a_customer(api, f"An{number:02} Abel{number % 3}")
    whole = (await api.ask(FIND, caller=api.admin, search=search, first=100))["customers"]
    assert len(whole["nodes"]) == 13
    for size in (1, 4, 13):
        forward: list[Json] = []
        page: Json = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            answer = await api.ask(
                FIND, caller=api.admin, search=search, first=size, after=page["endCursor"]
            )
            forward += answer["customers"]["nodes"]
            page = answer["customers"]["pageInfo"]
        backward: list[Json] = []
        page = {"hasPreviousPage": True, "startCursor": None}
        while page["hasPreviousPage"]:
            answer = await api.ask(
                FIND, caller=api.admin, search=search, last=size, before=page["startCursor"]
            )
            backward = answer["customers"]["nodes"] + backward
            page = answer["customers"]["pageInfo"]
        assert forward == backward == whole["nodes"]
    first = (await api.ask(FIND, caller=api.admin, search=search, first=5))["customers"]
    await a_customer(api, "Aa Aa front desk")
    rest = await api.ask(
        FIND, caller=api.admin, search=search, first=100, after=first["pageInfo"]["endCursor"]
    )
    assert first["nodes"] + rest["customers"]["nodes"] == whole["nodes"]


async def test_a_longest_name_in_any_script_gives_a_cursor(api: Api) -> None:
    for name in ("𝒜𐌰" * 100, "山" * 200, "x" * 200, "ﷺ" * 200):
        await a_customer(api, name, email=f"{'y' * 60}@{'z' * 60}.example")
    seen = []
    page: Json = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        answer = await api.ask(FIND, caller=api.admin, first=1, after=page["endCursor"])
        seen += [each["name"] for each in answer["customers"]["nodes"]]
        page = answer["customers"]["pageInfo"]
    assert sorted(seen) == sorted(["𝒜𐌰" * 100, "山" * 200, "x" * 200, "ﷺ" * 200])


async def test_a_provider_finds_those_whom_they_serve(api: Api) -> None:
    """And knows them by what was given for visits with them; administrators find everybody by
    everything. Nobody else finds anybody.
    """
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    ben = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    kim = {"name": "Kim Old", "email": "kim@example.com"}
    first = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=kim)
    await an_appointment(
        api, ben, "2026-01-13T10:00Z", customer=kim | {"name": "Kim New", "phone": "+4930901820"}
    )
    robin = api.customer("robin")
    await an_appointment(
        api, ben, "2026-01-13T12:00Z", caller=robin,
        customer={"name": "Robin", "email": "robin@example.com"},
    )  # fmt: skip
    walk_in = await a_customer(api, "Walk In", caller=api.acting_for(ada))
    await a_customer(api, "Front Desk")
    at_ada, at_ben = api.acting_for(ada), api.acting_for(ben)
    assert await found(api, None, at_ada) == ["Kim Old", "Walk In"]
    assert await found(api, None, at_ben) == ["Kim New", "Robin"]
    assert await found(api, None) == ["Front Desk", "Kim Old", "Robin", "Walk In"]
    for search, by_ada, by_ben, by_admin in (
        ("kim", ["Kim Old"], ["Kim New"], ["Kim Old"]),
        ("old", ["Kim Old"], [], ["Kim Old"]),
        ("new", [], ["Kim New"], ["Kim Old"]),
        ("030", [], ["Kim New"], ["Kim Old"]),
        ("walk", ["Walk In"], [], ["Walk In"]),
    ):
        assert await found(api, search, at_ada) == by_ada, search
        assert await found(api, search, at_ben) == by_ben, search
        assert await found(api, search) == by_admin, search
    for caller in (api.anonymous, robin, Caller(token=first["manageToken"])):
        assert (await api.ask(FIND, caller=caller))["customers"] is None
    assert await found(api, None, api.acting_for({"subject": "nobody"})) == []
    for caller, name in ((at_ada, "Walk In"), (at_ben, None), (api.admin, "Walk In")):
        seen = (await api.ask(ONE, caller=caller, id=walk_in["id"]))["customer"]
        assert (seen and seen["name"]) == name
    other = await api.another_organization()
    assert await found(api, None, other.admin) == []


async def test_a_list_shows_of_customers_what_each_shows_of_itself(api: Api) -> None:
    """Also what is read of a provider's customers only where it is asked for."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    kim = {"name": "Kim", "email": "kim@example.com"}
    first = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=kim)
    api.clock.set("2026-01-12T12:00Z")
    await an_appointment(api, ada, "2026-01-14T09:00Z", customer=kim | {"phone": "+4930901820"})
    await a_customer(api, "Walk In", caller=api.acting_for(ada), externalId="two")
    fields = "id name email phone locale channels timeZone createdAt externalId"
    shown: list[Json] = []
    for caller in (api.admin, api.acting_for(ada)):
        asked = await api.ask(f"{{ customers {{ nodes {{ {fields} }} }} }}", caller=caller)
        shown = asked["customers"]["nodes"]
        assert [each["externalId"] for each in shown] == [None, "two"]
        for each in shown:
            one = f"query ($id: ID!) {{ customer(id: $id) {{ {fields} }} }}"
            assert (await api.ask(one, caller=caller, id=each["id"]))["customer"] == each
        assert shown[0]["createdAt"] == first["appointment"]["createdAt"]
    renamed = {"id": shown[0]["id"], "externalId": "one"}
    made((await api.ask(UPDATE, caller=api.admin, input=renamed))["answer"], "Customer")
    again = await api.ask("{ customers { nodes { externalId } } }", caller=api.acting_for(ada))
    assert [each["externalId"] for each in again["customers"]["nodes"]] == ["one", "two"]


async def test_a_visit_handed_over_makes_its_customer_the_others(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    ben = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    booked = await an_appointment(
        api, ada, "2026-01-13T09:00Z", customer={"name": "Kim", "email": "kim@example.com"}
    )
    await api.rows(
        "UPDATE appointment SET provider_id = $3 WHERE organization_id = $1 AND id = $2 RETURNING 1",
        api.organization.id, key_in(booked["appointment"]["id"]), key_in(ben["id"]),
    )  # fmt: skip
    assert await found(api, "kim", api.acting_for(ada)) == []
    assert await found(api, "kim", api.acting_for(ben)) == ["Kim"]


async def test_what_staff_enter_may_share_an_address_and_no_guest_joins_it(api: Api) -> None:
    """A family has one e-mail; a guest who books with it is somebody else."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    shared: Json = {"email": "family@example.com", "phone": "+4930901820"}
    for name in ("Ann", "Bo"):
        await a_customer(api, name, **shared)
    for hour, name in ((9, "Cleo"), (10, "Cleo again")):
        await an_appointment(
            api, ada, f"2026-01-13T{hour:02}:00Z", customer={"name": name, "email": shared["email"]}
        )
    only_phone = {"name": "Dan", "phone": shared["phone"]}
    await an_appointment(api, ada, "2026-01-13T11:00Z", customer=only_phone)
    assert await found(api, "family") == ["Ann", "Bo", "Cleo"]
    assert await found(api, None) == ["Ann", "Bo", "Cleo", "Dan"]


async def test_a_change_of_the_record_changes_its_words(api: Api) -> None:
    kim = await a_customer(api, "Kim Old", email="kim@example.com")
    values: dict[str, Any] = {"id": kim["id"], "name": "Kim New"}
    made((await api.ask(UPDATE, caller=api.admin, input=values))["answer"], "Customer")
    assert await found(api, "old") == []
    assert await found(api, "new") == ["Kim New"]


async def test_an_erasure_leaves_no_word_and_no_external_id(api: Api) -> None:
    """Nor does what is written about their appointments afterwards bring any back."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    contact = {"name": "Kim", "email": "kim@example.com", "phone": "+4930901820"}
    booked = await an_appointment(api, ada, "2026-01-13T09:00Z", customer=contact)
    kim = booked["appointment"]["customer"]
    entered = await a_customer(api, "Lee", caller=api.acting_for(ada), externalId="lee-1")
    assert await found(api, None, api.acting_for(ada)) == ["Kim", "Lee"]
    # An administrator booked; the customer is seen as the administrator sees them.
    kim = kim or (await api.ask(FIND, caller=api.admin, search="kim"))["customers"]["nodes"][0]
    for erased in (kim, entered):
        made(
            (await api.ask(ERASE, caller=api.admin, input={"id": erased["id"]}))["answer"],
            "Customer",
        )
    assert await api.rows(
        "SELECT line FROM customer_word WHERE organization_id = $1", api.organization.id
    ) == []  # fmt: skip
    assert await api.rows(
        "SELECT id FROM customer WHERE organization_id = $1 "
        "AND (external_id IS NOT NULL OR made_by_provider IS NOT NULL)",
        api.organization.id,
    ) == []  # fmt: skip
    await api.rows(
        "UPDATE appointment SET contact_name = 'Erased again' WHERE organization_id = $1 RETURNING 1",
        api.organization.id,
    )
    assert await found(api, None) == []
    assert (await api.ask(ONE, caller=api.acting_for(ada), id=kim["id"]))["customer"] is None


async def test_an_external_id_is_of_one_customer_also_among_those_who_ask_at_once(
    api: Api,
) -> None:
    other = await api.another_organization()
    await a_customer(api, "Elsewhere", caller=other.admin, externalId="one")
    twins = [await a_customer(api, "Twin") for _ in range(2)]
    values = {"name": "New", "email": "new@example.com", "timeZone": "UTC", "externalId": "one"}
    answers = await asyncio.gather(
        *(api.ask(CREATE, caller=api.admin, input=values) for _ in range(3)),
        *(
            api.ask(UPDATE, caller=api.admin, input={"id": each["id"], "externalId": "one"})
            for each in twins
        ),
    )
    kinds = sorted(each["answer"]["__typename"] for each in answers)
    assert kinds == ["Customer"] + ["InvalidInputError"] * 4
    refused = [each["answer"] for each in answers if each["answer"]["__typename"] != "Customer"]
    assert {each["field"] for each in refused} == {"externalId"}
    (owner,) = [each["answer"] for each in answers if each["answer"]["__typename"] == "Customer"]
    changed = {"id": owner["id"], "externalId": "one"}
    again = await api.ask(UPDATE, caller=api.admin, input=changed)
    assert made(again["answer"], "Customer")["externalId"] == "one"
    cleared = await api.ask(UPDATE, caller=api.admin, input=changed | {"externalId": None})
    assert made(cleared["answer"], "Customer")["externalId"] is None


async def test_customers_are_entered_by_staff_with_what_can_be_kept(api: Api) -> None:
    ada = await a_provider(api)
    values = {"name": "Kim", "phone": "+49 30 901820", "timeZone": "UTC", "channels": ["SMS"]}
    callers = {
        "NotAllowedError": [
            api.anonymous, api.customer("kim"), api.acting_for({"subject": "nobody"}),
        ],
        "Customer": [api.acting_for(ada), api.admin],
    }  # fmt: skip
    for kind, those in callers.items():
        for caller in those:
            answer = (await api.ask(CREATE, caller=caller, input=values))["answer"]
            assert answer["__typename"] == kind
    for field, value in (
        ("name", " "),
        ("email", "kim@"),
        ("phone", "901820"),
        ("timeZone", "Mars/Base"),
        ("locale", "xx-yy-zz"),
        ("externalId", " "),
        ("externalId", "x" * 256),
    ):
        answer = (await api.ask(CREATE, caller=api.admin, input=values | {field: value}))["answer"]
        assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    neither = {"name": "Kim", "timeZone": "UTC"}
    answer = (await api.ask(CREATE, caller=api.admin, input=neither))["answer"]
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "email")
    events = await api.rows(
        "SELECT type, actor FROM event WHERE organization_id = $1 AND type LIKE 'CUSTOMER%' ORDER BY actor",
        api.organization.id,
    )
    assert events == [
        {"type": "CUSTOMER_CHANGED", "actor": "ADMIN"},
        {"type": "CUSTOMER_CHANGED", "actor": "PROVIDER"},
    ]


async def test_a_customer_gives_themselves_no_external_id(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    robin = api.customer("robin")
    booked = await an_appointment(
        api, ada, "2026-01-13T09:00Z", caller=robin,
        customer={"name": "Robin", "email": "robin@example.com"},
    )  # fmt: skip
    values = {"id": booked["appointment"]["customer"]["id"], "externalId": "me"}
    refused = await api.ask(UPDATE, caller=robin, input=values)
    assert refused["answer"]["__typename"] == "NotAllowedError"
    made((await api.ask(UPDATE, caller=api.admin, input=values))["answer"], "Customer")
    seen = "query ($id: ID!) { customer(id: $id) { name externalId } }"
    for caller, external_id in ((robin, None), (api.admin, "me"), (api.acting_for(ada), "me")):
        shown = (await api.ask(seen, caller=caller, id=values["id"]))["customer"]
        assert shown == {"name": "Robin", "externalId": external_id}


async def test_first_bookings_at_once_leave_each_customer_in_the_list_once(api: Api) -> None:
    """With different contacts, which are all known afterwards."""
    providers = [await a_provider(api, weeklyHours=weekly("09:00", "17:00")) for _ in range(4)]
    await asyncio.gather(
        *(
            an_appointment(
                api, provider, f"2026-01-13T{9 + hour:02}:00Z",
                customer={"name": f"Kim {name}", "email": "kim@example.com"},
            )
            for hour in range(3)
            for provider, name in zip(providers, ("Ann", "Bo", "Cleo", "Dan"), strict=True)
        )
    )  # fmt: skip
    assert len(await found(api, None)) == 1
    for name in ("ann", "bo", "cleo", "dan"):
        assert len(await found(api, f"{name} kim")) == 1


@pytest.mark.usefixtures("one_postgres")
async def test_a_first_booking_finds_the_words_of_its_guest_once(api: Api) -> None:
    """The customer and the appointment are written in one statement, and the triggers of both find
    words: the second one sees that they are there.
    """
    ada = key_in((await a_provider(api))["id"])
    async with transaction(api.resources.pool) as tx:
        await tx.execute("SET LOCAL track_functions = 'all'", ())
        await tx.execute(FIRST_BOOKING, (api.organization.id, ada, GUEST, *FIRST_TIMER))
        counted = await tx.fetch(FOUND_WORDS, ())
        lines = await tx.fetch(LINES, (api.organization.id, GUEST))
    assert [tuple(row) for row in counted] == [("contact_words", 1)]
    assert {row["reader_id"] for row in lines} == {api.organization.id, ada}
    assert await found(api, "first timer") == ["First Timer"]
    assert await found(api, "first@example") == ["First Timer"]


@pytest.mark.parametrize(
    ("name", "email", "phone"),
    [
        FIRST_TIMER,
        ("Kim", None, "+4930901820"),
        ("Kim Kim", "kim.kim@kim.example", "+4930901820"),
        ("Ænne Łódź-Müller (0) 00 49", "a_b%c+d@example.com", "+1212555"),
        (" ".join(f"{number:0>29}" for number in range(6)), "0.1-2@example.com", None),
        (f"{'ж' * 170} Kim", f"{'ж' * 160}@example.com", "+79161234567"),
        ("!", "!@!", None),
    ],
)
async def test_a_first_booking_writes_the_words_that_a_look_at_everything_finds(
    api: Api, name: str, email: str | None, phone: str | None
) -> None:
    ada = key_in((await a_provider(api))["id"])
    async with transaction(api.resources.pool) as tx:
        await tx.execute(FIRST_BOOKING, (api.organization.id, ada, GUEST, name, email, phone))
        at_booking = await tx.fetch(LINES, (api.organization.id, GUEST))
        await tx.execute("DELETE FROM customer_word WHERE customer_id = $1", (GUEST,))
        await tx.fetch("SELECT remember_customer($1, $2)::text", (api.organization.id, GUEST))
        by_all = await tx.fetch(LINES, (api.organization.id, GUEST))
        tx.roll_back()
    assert at_booking == by_all
    assert bool(by_all) == (name != "!")


@pytest.mark.usefixtures("one_postgres")
async def test_a_booking_with_another_provider_writes_the_words_that_a_look_at_everything_finds(
    api: Api,
) -> None:
    """Where the organization knows them, all visits of the customer are not looked at again."""
    ada, bob, cleo = [key_in((await a_provider(api))["id"]) for _ in range(3)]
    robin = ("Robin Timer", FIRST_TIMER[1], FIRST_TIMER[2])
    async with transaction(api.resources.pool) as tx:
        await tx.execute("SET LOCAL track_functions = 'all'", ())
        await tx.execute(FIRST_BOOKING, (api.organization.id, ada, GUEST, *FIRST_TIMER))
        looks: list[int] = []
        for providers, contact in (
            ([bob], FIRST_TIMER), ([cleo, bob], FIRST_TIMER), ([ada], robin), ([cleo, ada], robin),
        ):  # fmt: skip
            await tx.execute(
                NEXT_BOOKING, (api.organization.id, providers[0], providers, GUEST, *contact)
            )
            counted = {row["funcname"]: row["calls"] for row in await tx.fetch(FOUND_WORDS, ())}
            looks.append(counted.get("remember_customer", 0))
            at_booking = await tx.fetch(LINES, (api.organization.id, GUEST))
            await tx.execute("DELETE FROM customer_word WHERE customer_id = $1", (GUEST,))
            await tx.fetch("SELECT remember_customer($1, $2)::text", (api.organization.id, GUEST))
            assert at_booking == await tx.fetch(LINES, (api.organization.id, GUEST))
        tx.roll_back()
    # This test looks once in each turn itself. Robin is new to everybody, and then to Cleo, who
    # knows another name of theirs.
    assert looks == [0, 1, 3, 5]


async def test_a_text_without_accents_has_the_words_of_one_with_them(api: Api) -> None:
    """It is read in a shorter way."""
    chance = random.Random(73)
    letters = [chr(code) for code in range(1, 128)] + list("00123 (+)-e") * 9
    for length in (*range(1, 80), 198, 199, 200, 201, 254, 300):
        text = "".join(chance.choices(letters, k=length)) + "e"
        (row,) = await api.rows(
            "SELECT search_words($1) AS without, search_words($2) AS with_accents",
            text,
            text.replace("e", "é"),
        )
        assert row["without"] == row["with_accents"], text


@pytest.mark.usefixtures("one_postgres")
@pytest.mark.parametrize("are_many", [False, True])
async def test_a_booking_reads_no_words_of_other_customers(api: Api, *, are_many: bool) -> None:
    """Though nobody had any, or one customer had all of them, when its connection made its plans,
    which last as long as it does: else each booking would read the words of all customers.
    """
    ada, bob = [key_in((await a_provider(api))["id"]) for _ in range(2)]
    async with transaction(api.resources.pool) as tx:
        await tx.execute("TRUNCATE customer_word", ())
        await tx.execute("ANALYZE customer_word", ())
        if are_many:
            await tx.execute(MANY_WORDS, (api.organization.id,))
            await tx.execute("ANALYZE customer_word", ())
        # What was counted before on this connection may not be passed on yet.
        (before,) = await tx.fetch(WORDS_READ, ())
        for number in range(1, 13):
            guest = UUID(int=number)
            contact = ("Kim", f"kim-{number}@example.com", None)
            await tx.execute(FIRST_BOOKING, (api.organization.id, ada, guest, *contact))
            # Somebody else's contact: all that is known of the customer is looked at.
            await tx.execute(
                "UPDATE appointment SET contact_name = 'Lee' "
                "WHERE organization_id = $1 AND customer_id = $2",
                (api.organization.id, guest),
            )
            (known,) = await tx.fetch(WORDS_READ, ())
            await tx.execute(
                NEXT_BOOKING, (api.organization.id, bob, [bob], guest, "Lee", *contact[1:])
            )
            (after,) = await tx.fetch(WORDS_READ, ())
            # Entries of an index that are passed over are not counted, but its scans are.
            assert after["by_reader"] == known["by_reader"]
        (after,) = await tx.fetch(WORDS_READ, ())
        tx.roll_back()
    assert after["seq_tup_read"] == before["seq_tup_read"]
    # The words of each guest, which are a dozen, a few times; not those of the guests before.
    assert after["idx_tup_fetch"] - before["idx_tup_fetch"] < 12 * 40


FIRST_BOOKING = """
WITH guest AS (
    INSERT INTO customer (organization_id, id, name, email, phone, time_zone, created_at)
    VALUES ($1, $3, $4, $5, $6, 'UTC', now())
), booked AS (
    INSERT INTO appointment (organization_id, id, provider_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, contact_phone, version, time_version,
        policy_free_until_minutes_before, policy_late_cancellation, created_at)
    VALUES ($1, gen_random_uuid(), $2, $3, 'CONFIRMED', now(), now() + interval '1 hour', 'UTC', $4, $5, $6, 1, 1, 0,
        'ALLOWED', now())
)
SELECT
"""
NEXT_BOOKING = """
INSERT INTO appointment (organization_id, id, provider_id, provider_ids, named, resource_ids, customer_id, status,
    starts_at, ends_at, customer_time_zone, contact_name, contact_email, contact_phone, version, time_version,
    policy_free_until_minutes_before, policy_late_cancellation, created_at)
VALUES ($1, gen_random_uuid(), $2, $3, 1, '{}', $4, 'CONFIRMED', now(), now() + interval '1 hour', 'UTC', $5, $6, $7, 1,
    1, 0, 'ALLOWED', clock_timestamp())
"""
FOUND_WORDS = """
SELECT funcname, calls FROM pg_stat_xact_user_functions WHERE funcname IN ('contact_words', 'remember_customer')
"""
MANY_WORDS = """
INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
SELECT $1, gen_random_uuid(), word || ' kim', $1
FROM generate_series(1, 500), unnest(ARRAY['', 'kim']) AS each (word)
"""
WORDS_READ = """
SELECT seq_tup_read, idx_tup_fetch, pg_stat_get_xact_numscans('customer_word_pkey'::regclass) AS by_reader
FROM pg_stat_xact_user_tables
WHERE relname = 'customer_word'
"""
LINES = """
SELECT reader_id, line FROM customer_word WHERE organization_id = $1 AND customer_id = $2 ORDER BY reader_id, line
"""


EXPORT = "query ($id: ID!) { customerExport(id: $id) { json } }"


async def test_an_export_has_all_that_an_erasure_removes(api: Api) -> None:
    """For administrators and the customer, and nobody else; afterwards nothing of it is left."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    robin = api.customer("robin")
    person = {
        "name": "Robin Doe", "email": "robin@example.com", "phone": "+4930901820", "locale": "de-AT",
    }  # fmt: skip
    booked = await an_appointment(
        api, ada, "2026-01-13T09:00Z", caller=robin, customer=person, notes="Rings twice",
        customerTimeZone="Europe/Vienna",
    )  # fmt: skip
    other = await an_appointment(
        api, ada, "2026-01-13T10:00Z", customer={"name": "Else", "email": "else@example.com"}
    )
    customer = booked["appointment"]["customer"]["id"]
    values = {"id": customer, "externalId": "robin-1"}
    made((await api.ask(UPDATE, caller=api.admin, input=values))["answer"], "Customer")
    await api.rows(
        """INSERT INTO verified_phone (organization_id, phone, verified_at) VALUES ($1, $2, $3)
        RETURNING 1""",
        api.organization.id, person["phone"], api.clock(),
    )  # fmt: skip
    made(
        (await api.ask(RENEW_FEED, caller=robin, input={"customerId": customer}))["answer"],
        "Customer",
    )
    secrets = [*person.values(), "Rings twice", "Europe/Vienna", "robin-1", "robin"]
    reception = api.reception
    for caller in (api.admin, robin):
        text = (await api.ask(EXPORT, caller=caller, id=customer))["customerExport"]["json"]
        exported = json.loads(text)
        assert set(exported) == {
            "customer",
            "appointments",
            "verified_phones",
            "calendar_feeds",
            "holds",
        }
        assert [*exported["calendar_feeds"][0]] == ["created_at"]
        assert exported["customer"]["external_id"] == "robin-1"
        (visit,) = exported["appointments"]
        assert visit["starts_at"] == "2026-01-13T09:00:00+00:00"
        assert [entry["kind"] for entry in visit["history"]] == ["BOOKED"]
        assert exported["verified_phones"][0]["phone"] == person["phone"]
        assert [secret for secret in secrets if secret not in text] == []
        assert "Else" not in text
    link = Caller(token=other["manageToken"])
    stranger = api.customer("stranger")
    elsewhere = (await api.another_organization()).admin
    for caller in (api.anonymous, stranger, link, api.acting_for(ada), reception, elsewhere):
        assert (await api.ask(EXPORT, caller=caller, id=customer))["customerExport"] is None
    erased = await api.ask(ERASE, caller=api.admin, input={"id": customer})
    made(erased["answer"], "Customer")
    left = (await api.ask(EXPORT, caller=api.admin, id=customer))["customerExport"]["json"]
    assert [secret for secret in secrets if secret in left] == []


BY_EXTERNAL_ID = """query ($type: ExternalType!, $externalId: String!) {
  byExternalId(type: $type, externalId: $externalId) { __typename id } }"""


async def test_things_are_found_by_the_organizations_own_ids(api: Api) -> None:
    """Each among its type, by staff who may see it."""
    ada = await a_provider(api)
    kim = await a_customer(api, "Kim", externalId="one")
    own = await a_customer(api, "Lee", caller=api.acting_for(ada), externalId="two")
    room = await a_resource(api, externalId="one")
    ben = await a_provider(api, externalId="one")
    cut = await a_service(api, ben, externalId=" one ")
    other = await api.another_organization()
    asked: list[tuple[Caller, str, str, str | None]] = [
        (api.admin, "CUSTOMER", "one", kim["id"]),
        (api.reception, "CUSTOMER", " one ", kim["id"]),
        (api.admin, "RESOURCE", "one", room["id"]),
        (api.admin, "PROVIDER", "one", ben["id"]),
        (api.acting_for(ada), "PROVIDER", "one", ben["id"]),
        (api.anonymous, "PROVIDER", "one", None),
        (api.admin, "SERVICE", "one", cut["id"]),
        (api.customer("kim"), "SERVICE", "one", None),
        (api.admin, "LOCATION", "one", None),
        (api.admin, "CUSTOMER", "One", None),
        (api.acting_for(ada), "RESOURCE", "one", room["id"]),
        (api.acting_for(ada), "CUSTOMER", "one", None),
        (api.acting_for(ada), "CUSTOMER", "two", own["id"]),
        (api.customer("kim"), "CUSTOMER", "one", None),
        (api.anonymous, "RESOURCE", "one", None),
        (other.admin, "CUSTOMER", "one", None),
    ]
    for caller, type_, external_id, wanted in asked:
        answer = await api.ask(BY_EXTERNAL_ID, caller=caller, type=type_, externalId=external_id)
        found_id = answer["byExternalId"] and answer["byExternalId"]["id"]
        assert found_id == wanted, (type_, external_id)


CORRECT = """mutation ($input: UpdateAppointmentInput!) { answer: updateAppointment(input: $input) {
  __typename ... on Appointment { id externalId version } ... on InvalidInputError { field } } }"""


@pytest.mark.parametrize("type_name", ["Provider", "Service"])
async def test_an_external_id_is_of_one_provider_and_of_one_service(
    api: Api, type_name: str
) -> None:
    ada = await a_provider(api)
    values: Json = {"name": "New", "externalId": "one"}
    if type_name == "Provider":
        values |= {"timeZone": "UTC", "serviceDurationMinutes": 30}
    else:
        values |= {"providerIds": [ada["id"]], "durationMinutes": 30}
    create = (
        f"mutation ($input: Create{type_name}Input!) {{ answer: create{type_name}(input: $input) "
        f"{{ __typename ... on {type_name} {{ id externalId }} "
        "... on InvalidInputError { field } } }"
    )
    update = (
        f"mutation ($input: Update{type_name}Input!) {{ answer: update{type_name}(input: $input) "
        f"{{ __typename ... on {type_name} {{ externalId }} "
        "... on InvalidInputError { field } } }"
    )
    at_once = [
        each["answer"]
        for each in await asyncio.gather(
            *(api.ask(create, caller=api.admin, input=values) for _ in range(5))
        )
    ]
    [first] = [each for each in at_once if each["__typename"] == type_name]
    assert first["externalId"] == "one"
    refused = {"__typename": "InvalidInputError", "field": "externalId"}
    assert [each for each in at_once if each != first] == [refused] * 4
    second = made(
        (await api.ask(create, caller=api.admin, input=values | {"externalId": None}))["answer"],
        type_name,
    )

    async def change(**changes: object) -> Json:
        answer = await api.ask(update, caller=api.admin, input={"id": second["id"], **changes})
        found: Json = answer["answer"]
        return found

    assert await change(externalId="one") == refused
    assert await change(externalId="one", dryRun=True) == refused
    assert (await change(externalId="two", dryRun=True))["__typename"] == "ChangePreview"
    assert await change(externalId=" two ") == {"__typename": type_name, "externalId": "two"}
    assert await change(name="Other") == {"__typename": type_name, "externalId": "two"}
    assert await change(externalId="x" * 256) == refused
    assert await change(externalId=None) == {"__typename": type_name, "externalId": None}


async def test_providers_are_listed_by_what_they_offer(api: Api) -> None:
    ada, ben = await a_provider(api, name="Ada"), await a_provider(api, name="Ben")
    await a_provider(api, name="Cleo")
    cut, dye = await a_service(api, ada, ben), await a_service(api, ben)
    document = """query ($of: [ID!], $first: Int, $last: Int, $search: String) {
        providers(serviceIds: $of, first: $first, last: $last, search: $search) {
            totalCount nodes { name } } }"""

    async def names(
        *services: Json,
        first: int | None = None,
        last: int | None = None,
        search: str | None = None,
    ) -> tuple[list[str], int]:
        of = [each["id"] for each in services]
        answer = await api.ask(document, of=of, first=first, last=last, search=search)
        found = answer["providers"]
        return [each["name"] for each in found["nodes"]], found["totalCount"]

    assert await names(cut) == (["Ada", "Ben"], 2)
    assert await names(dye) == (["Ben"], 1)
    assert await names(cut, dye) == (["Ada", "Ben"], 2)
    assert await names(cut, first=1) == (["Ada"], 2)
    assert await names(cut, last=1) == (["Ben"], 2)
    assert await names(cut, search="be") == (["Ben"], 1)
    assert await names() == ([], 0)


async def test_an_external_id_is_of_one_appointment_also_among_those_booked_at_once(
    api: Api,
) -> None:
    """It is given by staff, at booking or later; the same request again is the same appointment."""
    ada = await a_provider(api, weeklyHours=weekly("09:00", "17:00"))
    at_once = await asyncio.gather(
        *(
            book(api, ada, f"2026-01-13T{9 + hour:02}:00Z", caller=api.admin, externalId="one")
            for hour in range(4)
        )
    )
    kinds = sorted(each["__typename"] for each in at_once)
    assert kinds == ["BookingConfirmation"] + ["InvalidInputError"] * 3
    assert {each["field"] for each in at_once if "field" in each} == {"externalId"}
    (owner,) = [each for each in at_once if each["__typename"] == "BookingConfirmation"]
    owner_id = owner["appointment"]["id"]
    plain = await an_appointment(api, ada, "2026-01-14T09:00Z")
    values: Json = {"appointmentId": plain["appointment"]["id"], "externalId": "one"}
    refused = (await api.ask(CORRECT, caller=api.acting_for(ada), input=values))["answer"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "externalId")
    values |= {"externalId": " two "}
    named = await api.ask(CORRECT, caller=api.acting_for(ada), input=values)
    assert made(named["answer"], "Appointment")["externalId"] == "two"
    for external_id, wanted in (("one", owner_id), ("two", values["appointmentId"])):
        answer = await api.ask(
            BY_EXTERNAL_ID, caller=api.admin, type="APPOINTMENT", externalId=external_id
        )
        assert answer["byExternalId"]["id"] == wanted
    guest = await book(api, ada, "2026-01-14T12:00Z", caller=api.anonymous, externalId="three")
    assert guest["__typename"] == "NotAllowedError"
    link = Caller(token=plain["manageToken"])
    stolen = (await api.ask(CORRECT, caller=link, input=values))["answer"]
    assert stolen["__typename"] == "NotAllowedError"
    kim = {"name": "Kim", "email": "kim@example.com"}
    key: Json = {"idempotencyKey": "again", "externalId": "four", "customer": kim}
    first, again = [
        await an_appointment(api, ada, "2026-01-15T09:00Z", caller=api.admin, **key)
        for _ in range(2)
    ]
    assert first["appointment"]["id"] == again["appointment"]["id"]
    other = await book(
        api, ada, "2026-01-15T09:00Z", caller=api.admin, **(key | {"externalId": "five"})
    )
    assert other["__typename"] == "IdempotencyKeyReusedError"
    people = (await api.ask(FIND, caller=api.admin))["customers"]["nodes"]
    for person in people:
        erased = await api.ask(ERASE, caller=api.admin, input={"id": person["id"]})
        made(erased["answer"], "Customer")
    assert await api.rows(
        "SELECT id FROM appointment WHERE organization_id = $1 AND external_id IS NOT NULL",
        api.organization.id,
    ) == []  # fmt: skip
