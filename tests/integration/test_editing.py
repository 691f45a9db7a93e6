"""Providers, services, hours and exceptions, created and changed: what is kept, what is refused,
and by which field.
"""

from __future__ import annotations

import pytest

from app.core.ids import ProviderId
from app.free_times.keys import stamp_key
from tests.builders import (
    CREATE_PROVIDER,
    CREATE_SERVICE,
    PROVIDER_FIELDS,
    REFUSALS,
    SERVICE_FIELDS,
    WEEKDAYS,
    Api,
    Json,
    a_provider,
    a_service,
    an_appointment,
    key_in,
    listed,
    made,
    subset,
    unknown,
    utc,
    weekly,
)

UPDATE_PROVIDER = f"""
    mutation ($input: UpdateProviderInput!) {{
        answer: updateProvider(input: $input) {{ __typename ...ProviderFields {REFUSALS} }}
    }} {PROVIDER_FIELDS}
"""

UPDATE_SERVICE = f"""
    mutation ($input: UpdateServiceInput!) {{
        answer: updateService(input: $input) {{ __typename ...ServiceFields {REFUSALS} }}
    }} {SERVICE_FIELDS}
"""

SET_WEEKLY_HOURS = f"""
    mutation ($input: SetWeeklyHoursInput!) {{
        answer: setWeeklyHours(input: $input) {{ __typename ...ProviderFields {REFUSALS} }}
    }} {PROVIDER_FIELDS}
"""

EXCEPTIONS = 'exceptions(from: "2026-01-01", to: "2026-12-31") { date isBlocked start end reason }'

SET_EXCEPTION = f"""
    mutation ($input: SetExceptionInput!) {{
        answer: setException(input: $input) {{ __typename ... on Provider {{ {EXCEPTIONS} }} {REFUSALS} }}
    }}
"""

REMOVE_EXCEPTION = f"""
    mutation ($input: RemoveExceptionInput!) {{
        answer: removeException(input: $input) {{ __typename ... on Provider {{ {EXCEPTIONS} }} {REFUSALS} }}
    }}
"""

READ_PROVIDER = (
    f"query ($id: ID!) {{ provider(id: $id) {{ ...ProviderFields }} }} {PROVIDER_FIELDS}"
)

FREE = {
    "freeUntilMinutesBefore": 0,
    "lateCancellation": "ALLOWED",
    "lateFee": None,
    "lateFeePercent": None,
}


async def change(api: Api, document: str, **values: object) -> Json:
    """What an administrator is answered."""
    answer: Json = (await api.ask(document, caller=api.admin, input=values))["answer"]
    return answer


async def refused_field(api: Api, document: str, **values: object) -> str:
    """The field that is refused."""
    answer = made(await change(api, document, **values), "InvalidInputError")
    assert answer["code"] == "INVALID_INPUT"
    assert answer["message"].endswith((".", "?"))
    field: str = answer["field"]
    return field


# ---------------------------------------------------------------- providers


async def test_what_is_left_out_of_a_new_provider_has_its_default(api: Api) -> None:
    """No buffer, no notice, sixty days ahead, free to cancel, no hours; the subject is an id of its
    own.
    """
    values = {"name": "Ada", "timeZone": "Europe/Berlin", "serviceDurationMinutes": 30}
    ada = made(await change(api, CREATE_PROVIDER, **values), "Provider")
    assert ada | {"id": "", "subject": "", "__typename": ""} == values | {
        "id": "",
        "subject": "",
        "__typename": "",
        "email": None,
        "phone": None,
        "bufferMinutes": 0,
        "slotIntervalMinutes": None,
        "minNoticeMinutes": 0,
        "maxAdvanceBookingDays": 60,
        "cancellationPolicy": FREE,
        "weeklyHours": [],
        "breaks": [],
    }
    assert len(ada["subject"]) == 36
    nulls = dict.fromkeys(
        ("slotIntervalMinutes", "email", "phone", "cancellationPolicy", "weeklyHours", "breaks")
    )
    assert subset(
        made(await change(api, CREATE_PROVIDER, **values, **nulls), "Provider"),
        ["cancellationPolicy"],
    ) == {"cancellationPolicy": FREE}


@pytest.mark.parametrize("document", [CREATE_PROVIDER, UPDATE_PROVIDER], ids=["create", "update"])
async def test_a_provider_that_cannot_be_is_refused_with_its_field(api: Api, document: str) -> None:
    """By the same rules when it is made and when it is changed; the refused change
    changed nothing.
    """
    good = {"name": "Ada", "timeZone": "Europe/Berlin", "serviceDurationMinutes": 30}
    ada = made(await change(api, CREATE_PROVIDER, **good, subject="ada"), "Provider")
    values = good if document is CREATE_PROVIDER else {"id": ada["id"]}
    fee = {"amountMinor": 100, "currency": "EUR"}
    late = {"freeUntilMinutesBefore": 60, "lateCancellation": "FEE"}
    for field, value, expected in (
        ("timeZone", "Mars/Olympus", ""),
        ("timeZone", "europe/berlin", ""),
        ("timeZone", "Factory", ""),
        ("timeZone", "../../etc/passwd", ""),
        ("serviceDurationMinutes", 0, ""),
        ("serviceDurationMinutes", 25 * 60, ""),
        ("bufferMinutes", -1, ""),
        ("bufferMinutes", 1441, ""),
        ("slotIntervalMinutes", 0, ""),
        ("minNoticeMinutes", -5, ""),
        ("maxAdvanceBookingDays", 1_101, ""),
        ("maxAdvanceBookingDays", -1, ""),
        ("name", "", ""),
        ("name", " \t\n ", ""),
        ("name", "x" * 201, ""),
        ("name", "A\0da", ""),
        ("name", "A\nda", ""),
        ("email", "ada", ""),
        ("email", "ada@", ""),
        ("email", "ada@example..com", ""),
        ("email", "Ada <ada@example.com>", ""),
        ("email", "x" * 250 + "@example.com", ""),
        ("phone", "12345", ""),
        ("phone", "030 901820", ""),  # no country
        ("phone", "+49", ""),
        ("phone", "+49 30 901820 ext. 5", ""),
        ("subject", "", ""),
        ("subject", "x" * 256, ""),
        ("cancellationPolicy", late, ".lateFee"),  # neither kind of fee
        ("cancellationPolicy", late | {"lateFee": fee, "lateFeePercent": 5}, ".lateFee"),  # both
        # a provider has no price
        ("cancellationPolicy", late | {"lateFeePercent": 5}, ".lateFeePercent"),
        (
            "cancellationPolicy",
            late | {"lateFee": fee | {"amountMinor": -1}},
            ".lateFee.amountMinor",
        ),
        ("cancellationPolicy", late | {"lateFee": fee | {"currency": "EURO"}}, ".lateFee.currency"),
        (
            "cancellationPolicy",
            late | {"lateFee": fee, "freeUntilMinutesBefore": -1},
            ".freeUntilMinutesBefore",
        ),
        ("cancellationPolicy", late | {"lateFee": fee, "lateCancellation": "REFUSED"}, ".lateFee"),
    ):
        assert (
            await refused_field(api, document, **(values | {field: value})) == field + expected
        ), value
    for field in ("bufferMinutes", "minNoticeMinutes", "maxAdvanceBookingDays"):
        assert await refused_field(api, document, **(values | {field: None})) == field
    now = (await api.ask(READ_PROVIDER, caller=api.admin, id=ada["id"]))["provider"]
    assert now == subset(ada, list(now))


async def test_a_value_of_the_wrong_shape_is_a_request_error_with_its_path(api: Api) -> None:
    good = {"name": "Ada", "timeZone": "UTC", "serviceDurationMinutes": 30}
    hours = {"weekday": "MONDAY", "start": "09:00", "end": "12:00"}
    for wrong, path in (
        ({"name": None}, "input.name"),
        ({"name": 5}, "input.name"),
        ({"serviceDurationMinutes": "30"}, "input.serviceDurationMinutes"),
        ({"serviceDurationMinutes": 2**31}, "input.serviceDurationMinutes"),
        ({"timeZone": "x" * 65}, "input.timeZone"),
        ({"weeklyHours": [hours, hours | {"start": "9:00"}]}, "input.weeklyHours.1.start"),
        ({"weeklyHours": [hours | {"end": "24:01"}]}, "input.weeklyHours.0.end"),
        ({"weeklyHours": [hours | {"weekday": "FUNDAY"}]}, "input.weeklyHours.0.weekday"),
        (
            {"weeklyHours": [hours | {"effectiveFrom": "2026-02-30"}]},
            "input.weeklyHours.0.effectiveFrom",
        ),
        ({"colour": "red"}, "input"),
    ):
        answer = await api.send(CREATE_PROVIDER, caller=api.admin, input=good | wrong)
        assert answer.codes == ["BAD_USER_INPUT"], answer
        assert answer.body["errors"][0]["extensions"]["field"].startswith(path)
        assert "data" not in answer.body or answer.body["data"] is None


async def test_absent_means_unchanged_and_null_means_back_to_what_is_inherited(api: Api) -> None:
    """For a provider: null clears what may be empty; where nothing may stand in its place, it is
    invalid.
    """
    whole: Json = {
        "name": "Ada",
        "timeZone": "Europe/Berlin",
        "serviceDurationMinutes": 45,
        "bufferMinutes": 15,
        "slotIntervalMinutes": 20,
        "minNoticeMinutes": 120,
        "maxAdvanceBookingDays": 90,
        "email": "ada@example.com",
        "phone": "+4930901820",
        "cancellationPolicy": FREE | {"freeUntilMinutesBefore": 60, "lateCancellation": "REFUSED"},
    }
    ada = await a_provider(api, **whole)
    same = made(await change(api, UPDATE_PROVIDER, id=ada["id"]), "Provider")
    assert same == ada
    for field, value in (
        ("name", "Ada Moreau"),
        ("timeZone", "Europe/Paris"),
        ("serviceDurationMinutes", 50),
        ("bufferMinutes", 0),
        ("slotIntervalMinutes", None),
        ("minNoticeMinutes", 0),
        ("maxAdvanceBookingDays", 1_100),
        ("email", None),
        ("phone", None),
        ("cancellationPolicy", FREE),
    ):
        changed = made(
            await change(api, UPDATE_PROVIDER, id=ada["id"], **{field: value}), "Provider"
        )
        ada = ada | {field: value}
        assert changed == ada
        assert (await api.ask(READ_PROVIDER, caller=api.admin, id=ada["id"]))["provider"] == subset(
            ada, [name for name in ada if name != "__typename"]
        )
    for field in (
        "name",
        "timeZone",
        "serviceDurationMinutes",
        "bufferMinutes",
        "minNoticeMinutes",
        "maxAdvanceBookingDays",
        "cancellationPolicy",
        "subject",
    ):
        assert await refused_field(api, UPDATE_PROVIDER, id=ada["id"], **{field: None}) == field


async def test_a_subject_belongs_to_one_provider_of_an_organization(api: Api) -> None:
    ada, ben = await a_provider(api, subject="ada"), await a_provider(api, subject="ben")
    good = {"name": "Ada", "timeZone": "UTC", "serviceDurationMinutes": 30}
    assert await refused_field(api, CREATE_PROVIDER, **good, subject="ada") == "subject"
    assert await refused_field(api, UPDATE_PROVIDER, id=ben["id"], subject="ada") == "subject"
    made(await change(api, UPDATE_PROVIDER, id=ada["id"], subject="ada"), "Provider")
    made(await change(api, UPDATE_PROVIDER, id=ada["id"], subject="another"), "Provider")
    made(await change(api, UPDATE_PROVIDER, id=ben["id"], subject="ada"), "Provider")
    other = await api.another_organization()
    await a_provider(api, of=other, subject="ada")


# ---------------------------------------------------------------- services


async def test_a_service_that_cannot_be_is_refused_with_its_field(api: Api) -> None:
    ada = await a_provider(api)
    good = {"name": "Cut", "providerIds": [ada["id"]], "durationMinutes": 30}
    price = {"amountMinor": 5000, "currency": "EUR"}
    share = {"freeUntilMinutesBefore": 60, "lateCancellation": "FEE", "lateFeePercent": 50}
    for wrong, field in (
        ({"durationMinutes": 0}, "durationMinutes"),
        ({"durationMinutes": 25 * 60}, "durationMinutes"),
        ({"bufferBeforeMinutes": -1}, "bufferBeforeMinutes"),
        ({"bufferBeforeMinutes": None}, "bufferBeforeMinutes"),
        ({"bufferAfterMinutes": 1441}, "bufferAfterMinutes"),
        ({"slotIntervalMinutes": 0}, "slotIntervalMinutes"),
        ({"minNoticeMinutes": -1}, "minNoticeMinutes"),
        ({"maxAdvanceBookingDays": 1_101}, "maxAdvanceBookingDays"),
        ({"name": "x" * 201}, "name"),
        ({"price": price | {"amountMinor": -1}}, "price.amountMinor"),
        ({"price": price | {"currency": "eur"}}, "price.currency"),
        ({"cancellationPolicy": share}, "cancellationPolicy.lateFeePercent"),  # of what?
        (
            {"cancellationPolicy": share | {"lateFeePercent": 0}, "price": price},
            "cancellationPolicy.lateFeePercent",
        ),
        (
            {"cancellationPolicy": share | {"lateFeePercent": 101}, "price": price},
            "cancellationPolicy.lateFeePercent",
        ),
        (
            {"cancellationPolicy": share | {"lateFee": price}, "price": price},
            "cancellationPolicy.lateFee",
        ),
    ):
        assert await refused_field(api, CREATE_SERVICE, **(good | wrong)) == field
    for provider_id in (unknown("Provider"), "nonsense"):
        made(
            await change(api, CREATE_SERVICE, **good | {"providerIds": [ada["id"], provider_id]}),
            "NotFoundError",
        )
    assert (
        await api.rows("SELECT id FROM service WHERE organization_id = $1", api.organization.id)
    ) == []


async def test_a_service_goes_back_to_its_providers_rules_with_null(api: Api) -> None:
    price = {"amountMinor": 5000, "currency": "EUR"}
    share = {
        "freeUntilMinutesBefore": 60,
        "lateCancellation": "FEE",
        "lateFee": None,
        "lateFeePercent": 50,
    }
    ada, ben = await a_provider(api), await a_provider(api)
    whole: Json = {
        "durationMinutes": 30,
        "bufferBeforeMinutes": 5,
        "bufferAfterMinutes": 10,
        "slotIntervalMinutes": 15,
        "minNoticeMinutes": 60,
        "maxAdvanceBookingDays": 30,
        "price": price,
        "cancellationPolicy": share,
    }
    cut = await a_service(api, ada, **whole)
    assert subset(cut, list(whole)) == whole
    assert made(await change(api, UPDATE_SERVICE, id=cut["id"]), "Service") == cut
    # A share of a price needs the price, also when the price is what changes.
    assert (
        await refused_field(api, UPDATE_SERVICE, id=cut["id"], price=None)
        == "cancellationPolicy.lateFeePercent"
    )
    for field, value in (
        ("name", "Trim"),
        ("durationMinutes", 20),
        ("bufferBeforeMinutes", 0),
        ("bufferAfterMinutes", None),
        ("slotIntervalMinutes", None),
        ("minNoticeMinutes", None),
        ("maxAdvanceBookingDays", None),
        ("cancellationPolicy", None),
        ("price", None),
    ):
        cut = cut | {field: value}
        assert (
            made(await change(api, UPDATE_SERVICE, id=cut["id"], **{field: value}), "Service")
            == cut
        )
    changed = made(
        await change(api, UPDATE_SERVICE, id=cut["id"], providerIds=[ben["id"], ben["id"]]),
        "Service",
    )
    assert changed["providers"] == [{"id": ben["id"]}]
    changed = made(await change(api, UPDATE_SERVICE, id=cut["id"], providerIds=[]), "Service")
    assert changed["providers"] == []
    for field in ("name", "durationMinutes", "bufferBeforeMinutes", "providerIds"):
        assert await refused_field(api, UPDATE_SERVICE, id=cut["id"], **{field: None}) == field
    made(
        await change(api, UPDATE_SERVICE, id=cut["id"], providerIds=[unknown("Provider")]),
        "NotFoundError",
    )
    made(await change(api, UPDATE_SERVICE, id=unknown("Service"), name="Cut"), "NotFoundError")


# ---------------------------------------------------------------- hours


def shown(ranges: list[Json]) -> list[tuple[str, str, str]]:
    return [(each["weekday"], each["start"], each["end"]) for each in ranges]


async def test_hours_that_overlap_or_touch_are_merged_not_refused(api: Api) -> None:
    ada = await a_provider(api, weeklyHours=[])
    monday = {"weekday": "MONDAY"}
    hours = [
        monday | {"start": "11:00", "end": "14:00"},
        monday | {"start": "09:00", "end": "12:00"},
        monday | {"start": "14:00", "end": "15:00"},
        monday | {"start": "09:00", "end": "12:00"},
        monday | {"start": "16:00", "end": "17:00"},
        monday | {"start": "16:30", "end": "17:30", "effectiveFrom": "2026-02-01"},
        {"weekday": "SUNDAY", "start": "23:00", "end": "01:00"},
        {"weekday": "SUNDAY", "start": "22:00", "end": "24:00"},
    ]
    answer = made(
        await change(api, SET_WEEKLY_HOURS, providerId=ada["id"], hours=hours), "Provider"
    )
    assert shown(answer["weeklyHours"]) == [
        ("MONDAY", "09:00", "15:00"),
        ("MONDAY", "16:00", "17:00"),
        ("MONDAY", "16:30", "17:30"),
        ("SUNDAY", "22:00", "01:00"),
    ]
    assert await listed(api, ada, "2026-01-19") == utc(
        "2026-01-19", "00:00", "09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "16:00"
    )


async def test_setting_the_week_replaces_all_hours_and_breaks(api: Api) -> None:
    ada = await a_provider(api, breaks=weekly("12:00", "13:00"))
    answer = made(
        await change(
            api,
            SET_WEEKLY_HOURS,
            providerId=ada["id"],
            hours=weekly("08:00", "10:00", ["TUESDAY", "MONDAY"]),
            breaks=weekly("08:30", "09:00", ["MONDAY"]),
        ),
        "Provider",
    )
    assert shown(answer["weeklyHours"]) == [
        ("MONDAY", "08:00", "10:00"),
        ("TUESDAY", "08:00", "10:00"),
    ]
    assert shown(answer["breaks"]) == [("MONDAY", "08:30", "09:00")]
    answer = made(await change(api, SET_WEEKLY_HOURS, providerId=ada["id"], hours=[]), "Provider")
    assert answer["weeklyHours"] == answer["breaks"] == []
    assert await listed(api, ada, "2026-01-12", "2026-01-31") == []


async def test_hours_that_cannot_be_are_refused_with_their_place(api: Api) -> None:
    ada = await a_provider(api)
    good = {"weekday": "MONDAY", "start": "09:00", "end": "12:00"}

    async def refused(**values: object) -> str:
        return await refused_field(
            api, SET_WEEKLY_HOURS, **({"providerId": ada["id"], "hours": [good]} | values)
        )

    assert await refused(hours=[good, good | {"start": "24:00"}]) == "hours.1.start"
    backwards = good | {"effectiveFrom": "2026-02-02", "effectiveUntil": "2026-02-01"}
    assert await refused(breaks=[backwards]) == "breaks.0.effectiveUntil"
    assert await refused(hours=[good | {"effectiveFrom": "0001-01-01"}]) == "hours.0.effectiveFrom"
    assert (
        await refused(hours=[good | {"effectiveUntil": "9999-12-31"}]) == "hours.0.effectiveUntil"
    )
    assert await refused(hours=[good] * 201) == "hours"
    assert shown((await api.ask(READ_PROVIDER, id=ada["id"]))["provider"]["weeklyHours"]) == [
        (day, "09:00", "17:00") for day in WEEKDAYS
    ]


async def test_an_exception_replaces_what_stood_on_its_date_and_can_be_taken_back(api: Api) -> None:
    ada = await a_provider(api)
    date = "2026-02-02"

    async def put(
        *ranges: tuple[str, str], is_blocked: bool, reason: str | None = None
    ) -> list[Json]:
        answer = await change(
            api,
            SET_EXCEPTION,
            providerId=ada["id"],
            date=date,
            isBlocked=is_blocked,
            ranges=[{"start": start, "end": end} for start, end in ranges],
            reason=reason,
        )
        exceptions: list[Json] = made(answer, "Provider")["exceptions"]
        return exceptions

    closed = {"date": date, "isBlocked": True, "start": None, "end": None, "reason": None}
    assert await put(is_blocked=True) == [closed]
    assert await listed(api, ada, date) == []
    assert await put(
        ("10:00", "11:00"), ("10:30", "12:00"), is_blocked=True, reason=" Dentist "
    ) == [{"date": date, "isBlocked": True, "start": "10:00", "end": "12:00", "reason": "Dentist"}]
    assert (await listed(api, ada, date))[:2] == utc(date, "09:00", "12:00")
    assert await put(("20:00", "01:00"), ("18:00", "19:00"), is_blocked=False, reason="  ") == [
        {"date": date, "isBlocked": False, "start": "18:00", "end": "19:00", "reason": None},
        {"date": date, "isBlocked": False, "start": "20:00", "end": "01:00", "reason": None},
    ]
    assert await listed(api, ada, date) == utc(date, "18:00", "20:00", "21:00", "22:00", "23:00")
    assert await put(is_blocked=True) == [closed]
    for _ in range(2):
        removed = made(
            await change(api, REMOVE_EXCEPTION, providerId=ada["id"], date=date), "Provider"
        )
        assert removed["exceptions"] == []
    assert len(await listed(api, ada, date)) == 8


async def test_an_exception_that_cannot_be_is_refused_with_its_field(api: Api) -> None:
    ada = await a_provider(api)
    good = {"providerId": ada["id"], "date": "2026-02-02", "isBlocked": True}
    for wrong, field in (
        ({"isBlocked": False}, "ranges"),
        ({"isBlocked": False, "ranges": None}, "ranges"),
        ({"ranges": [{"start": "22:00", "end": "02:00"}]}, "ranges.0.end"),
        ({"ranges": [{"start": "10:00", "end": "10:00"}]}, "ranges.0.end"),
        ({"ranges": [{"start": "24:00", "end": "24:00"}]}, "ranges.0.start"),
        ({"ranges": [{"start": "10:00", "end": "11:00"}] * 49}, "ranges"),
        ({"reason": "x" * 501}, "reason"),
        ({"date": "9999-12-31"}, "date"),
        ({"date": "0001-01-01"}, "date"),
    ):
        assert await refused_field(api, SET_EXCEPTION, **(good | wrong)) == field
    assert (
        await refused_field(api, REMOVE_EXCEPTION, providerId=ada["id"], date="0001-01-01")
        == "date"
    )


async def test_what_does_not_exist_cannot_be_changed(api: Api) -> None:
    for provider_id in (unknown("Provider"), unknown("Service"), "nonsense", ""):
        for document, values in (
            (UPDATE_PROVIDER, {"id": provider_id, "name": "Ada"}),
            (SET_WEEKLY_HOURS, {"providerId": provider_id, "hours": []}),
            (SET_EXCEPTION, {"providerId": provider_id, "date": "2026-02-02", "isBlocked": True}),
            (REMOVE_EXCEPTION, {"providerId": provider_id, "date": "2026-02-02"}),
        ):
            assert (
                made(await change(api, document, **values), "NotFoundError")["code"] == "NOT_FOUND"
            )


# ---------------------------------------------------------------- what is booked stays


async def test_no_change_of_hours_rules_or_zone_touches_what_is_booked(api: Api) -> None:
    """A claim is the time as it was taken: it moves with nothing, and keeps its own buffers against
    new bookings.
    """
    ada = await a_provider(
        api, timeZone="Europe/Berlin", bufferMinutes=30, weeklyHours=weekly("09:00", "17:00")
    )
    cut = await a_service(
        api, ada, durationMinutes=60, price={"amountMinor": 5000, "currency": "EUR"}
    )
    await an_appointment(api, ada, "2026-01-13T08:00Z", serviceId=cut["id"])
    of_ada = (api.organization.id,)
    before = [
        await api.rows(f"SELECT * FROM {table} WHERE organization_id = $1", *of_ada)
        for table in ("appointment", "claim")
    ]
    for document, values in (
        (
            UPDATE_PROVIDER,
            {"id": ada["id"], "bufferMinutes": 0, "serviceDurationMinutes": 15, "timeZone": "UTC"},
        ),
        (UPDATE_SERVICE, {"id": cut["id"], "durationMinutes": 5, "price": None, "providerIds": []}),
        (SET_WEEKLY_HOURS, {"providerId": ada["id"], "hours": weekly("08:00", "12:00")}),
        (SET_EXCEPTION, {"providerId": ada["id"], "date": "2026-01-20", "isBlocked": True}),
    ):
        assert (await change(api, document, **values))["__typename"] in {"Provider", "Service"}
    after = [
        await api.rows(f"SELECT * FROM {table} WHERE organization_id = $1", *of_ada)
        for table in ("appointment", "claim")
    ]
    assert after == before
    # 09:00–10:00 in Berlin was 08:00–09:00, and it keeps the half hour after it that it was booked
    # with.
    assert (await listed(api, ada, "2026-01-13"))[:2] == utc("2026-01-13", "09:30", "09:45")


async def test_a_change_of_a_service_invalidates_what_is_cached_of_it_and_its_providers(
    api: Api,
) -> None:
    """Of the providers who offered it before, of those who offer it now, and of the service."""
    ada, ben, other = [await a_provider(api) for _ in range(3)]
    service = await a_service(api, ada)
    keys = {
        each["id"]: stamp_key(api.organization.id, ProviderId(key_in(each["id"])))
        for each in (ada, ben, other, service)
    }
    redis = api.resources.redis
    for key in keys.values():
        await redis.set(key, b"a stamp")
    await change(api, UPDATE_SERVICE, id=service["id"], providerIds=[ben["id"]])
    left = {name for name, key in keys.items() if await redis.exists(key)}
    assert left == {other["id"]}
