"""Corrections: what was given for an appointment is put right, both addresses are notified of a changed
one, and a manage link can be replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders import (
    Api,
    Caller,
    Json,
    a_provider,
    a_service,
    an_appointment,
    key_in,
    made,
    unknown,
)
from tests.integration.reminders import RESEND, Post, a_post, text_of
from tests.lives import move, new_key

GRACE, TYPO, ADA = "grace@example.org", "grcae@example.org", "ada@salon.example"
MOST = "SLOTWRIGHT_MESSAGES_PER_DESTINATION_PER_DAY"
OPEN = "SLOTWRIGHT_GUEST_BOOKINGS_PER_ADDRESS"
OF_NETWORK = "SLOTWRIGHT_MESSAGES_PER_ADDRESS_PER_DAY"

CORRECT = """mutation ($input: UpdateAppointmentInput!) { answer: updateAppointment(input: $input) {
    __typename
    ... on Appointment {
        id version notes staffNotes customerTimeZone startsAt contact { name email phone locale channels }
    }
    ... on UserError { code message } ... on InvalidInputError { field } ... on VersionConflictError { currentVersion }
} }"""
RENEW = """mutation ($input: RenewManageTokenInput!) { answer: renewManageToken(input: $input) {
    __typename ... on BookingConfirmation { manageToken appointment { id version } } ... on UserError { code message }
} }"""
SEE = "query ($id: ID!, $token: String) { appointment(id: $id, manageToken: $token) { id notes staffNotes } }"
HISTORY = "query ($id: ID!) { appointment(id: $id) { history { version kind actor fromStatus toStatus } } }"
MESSAGES = "query ($id: ID!) { appointment(id: $id) { messages { kind recipient channel status detail } } }"
CANCEL = """mutation ($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) {
    __typename ... on UserError { message } } }"""
ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    """Three messages a day for each destination."""
    async with a_post(environment | {MOST: "3"}) as post:
        yield post


async def correct(
    api: Api, booked: Json, *, caller: Caller | None = None, **changes: object
) -> Json:
    """By the caller; else with the manage token of the booking."""
    values: Json = {"appointmentId": booked["appointment"]["id"], **changes}
    if caller is None:
        values |= {"manageToken": booked["manageToken"]}
    answer: Json = (await api.ask(CORRECT, caller=caller, input=values))["answer"]
    return answer


async def renew(api: Api, booked: Json, caller: Caller) -> Json:
    values = {"appointmentId": booked["appointment"]["id"]}
    answer: Json = (await api.ask(RENEW, caller=caller, input=values))["answer"]
    return answer


def contact(email: str | None = GRACE, **changes: object) -> Json:
    return {"name": "Grace", "email": email, **changes}


# ---------------------------------------------------------------- what is corrected, and by whom


async def test_only_what_is_named_changes_and_the_history_says_so(api: Api) -> None:
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact(), notes="Knock")
    api.clock.set("2026-01-11T08:00Z")
    after = made(await correct(api, booked, notes=" Ring twice. "), "Appointment")
    assert (after["version"], after["notes"], after["contact"]["email"]) == (
        2,
        "Ring twice.",
        GRACE,
    )
    zone = await correct(api, booked, customerTimeZone="Asia/Tokyo", notes=None)
    assert (zone["version"], zone["customerTimeZone"], zone["notes"]) == (3, "Asia/Tokyo", None)
    given = contact(phone="+49 170 1234567", locale="de_AT", channels=["SMS"])
    person = made(await correct(api, booked, contact=given), "Appointment")
    assert person["contact"] == {
        "name": "Grace",
        "email": GRACE,
        "phone": "+491701234567",
        "locale": "de-AT",
        "channels": ["SMS"],
    }
    assert person["startsAt"] == "2026-01-12T10:00:00Z"
    staff = made(
        await correct(api, booked, caller=api.acting_for(ada), staffNotes=" Pays in cash "),
        "Appointment",
    )
    assert (staff["version"], staff["staffNotes"]) == (5, "Pays in cash")
    values = {"id": booked["appointment"]["id"]}
    history = (await api.ask(HISTORY, caller=api.admin, **values))["appointment"]["history"]
    assert [(row["version"], row["kind"], row["actor"]) for row in history[1:]] == [
        (2, "CORRECTED", "MANAGE_TOKEN"),
        (3, "CORRECTED", "MANAGE_TOKEN"),
        (4, "CORRECTED", "MANAGE_TOKEN"),
        (5, "CORRECTED", "PROVIDER"),
    ]
    happened = await api.rows(
        "SELECT version FROM event WHERE type = 'APPOINTMENT_CORRECTED' AND subject_id = $1 ORDER BY version",
        key_in(values["id"]),
    )
    assert [row["version"] for row in happened] == [2, 3, 4, 5]


async def test_a_correction_that_changes_nothing_makes_no_version(api: Api) -> None:
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact(), notes="Knock")
    zone = booked["appointment"]["customerTimeZone"]
    same = await correct(api, booked, notes="Knock ", contact=contact(), customerTimeZone=zone)
    assert made(same, "Appointment")["version"] == 1
    assert made(await correct(api, booked), "Appointment")["version"] == 1


async def test_a_correction_may_name_the_version_it_expects(api: Api) -> None:
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact())
    made(await correct(api, booked, notes="Knock", expectedVersion=1), "Appointment")
    conflict = await correct(api, booked, notes="Ring", expectedVersion=1)
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflictError", 2)


async def test_notes_of_the_staff_are_theirs_alone(api: Api) -> None:
    """The customer neither writes nor sees them; another provider sees nothing at all."""
    ada = await a_provider(api)
    booked = await an_appointment(
        api, ada, "2026-01-12T10:00Z", caller=api.customer("robin"), customer=contact()
    )
    for caller in (None, api.customer("robin")):
        refused = await correct(api, booked, caller=caller, staffNotes="Late")
        assert refused["code"] == "NOT_ALLOWED"
    made(await correct(api, booked, caller=api.admin, staffNotes="Late"), "Appointment")
    values = {"id": booked["appointment"]["id"]}
    for caller in (api.admin, api.acting_for(ada)):
        assert (await api.ask(SEE, caller=caller, **values))["appointment"]["staffNotes"] == "Late"
    link = Caller(token=booked["manageToken"])
    for caller in (api.customer("robin"), link):
        assert (await api.ask(SEE, caller=caller, **values))["appointment"]["staffNotes"] is None
    ben = api.acting_for(await a_provider(api, name="Ben"))
    strangers = (ben, api.customer("noor"), api.anonymous)
    for caller in strangers:
        answer = await correct(api, booked, caller=caller, notes="Mine")
        assert answer["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"contact": None}, "contact"),
        ({"contact": {"name": " "}}, "contact.name"),
        ({"contact": {"name": "Grace"}}, "contact.email"),
        ({"contact": {"name": "Grace", "email": "nobody"}}, "contact.email"),
        ({"contact": {"name": "Grace", "phone": "12"}}, "contact.phone"),
        ({"customerTimeZone": None}, "customerTimeZone"),
        ({"customerTimeZone": "Mars/Olympus"}, "customerTimeZone"),
        ({"notes": "x" * 2001}, "notes"),
        ({"staffNotes": "x" * 2001}, "staffNotes"),
    ],
)
async def test_what_can_not_be_is_refused_by_its_field(api: Api, changes: Json, field: str) -> None:
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact())
    refused = await correct(api, booked, caller=api.admin, **changes)
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", field)
    missing = {"appointment": {"id": unknown("Appointment")}}
    assert (await correct(api, missing, caller=api.admin))["code"] == "NOT_FOUND"


async def test_an_appointment_that_is_over_or_cancelled_can_be_corrected(api: Api) -> None:
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact())
    values = {"appointmentId": booked["appointment"]["id"]}
    made((await api.ask(CANCEL, caller=api.admin, input=values))["answer"], "Appointment")
    after = await correct(api, booked, caller=api.admin, staffNotes="Will call again")
    assert made(after, "Appointment")["version"] == 3


async def test_nothing_is_recorded_about_somebody_who_was_erased(api: Api) -> None:
    """And an erasure removes the staff's notes, and the addresses that were replaced."""
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact(TYPO))
    made(
        await correct(api, booked, caller=api.admin, contact=contact(), staffNotes="Late"),
        "Appointment",
    )
    customer = "query ($id: ID!) { appointment(id: $id) { customer { id } } }"
    values = {"id": booked["appointment"]["id"]}
    found = (await api.ask(customer, caller=api.admin, **values))["appointment"]["customer"]
    made((await api.ask(ERASE, caller=api.admin, input=found))["answer"], "Customer")
    seen = (await api.ask(SEE, caller=api.admin, **values))["appointment"]
    assert seen["staffNotes"] is None
    kept = await api.rows(
        """SELECT is_readdressed, former_email, former_phone FROM appointment_history
        WHERE kind = 'CORRECTED' AND appointment_id = $1""",
        key_in(values["id"]),
    )
    assert [tuple(row.values()) for row in kept] == [(True, None, None)]
    for caller in (api.admin, None):
        refused = await correct(api, booked, caller=caller, contact=contact())
        assert refused["code"] == "NOT_ALLOWED"
    # What was moved and corrected before is still moved afterwards.
    made(
        await move(api, booked, "2026-01-12T12:00Z", caller=api.admin),
        "BookingConfirmation",
    )


# ---------------------------------------------------------------- messages


async def test_both_addresses_get_a_notice_and_later_messages_go_to_the_new_one(post: Post) -> None:
    """The new one gets the appointment with its link; the old one learns neither the new address
    nor the name, gets no link, and its calendar is left alone.
    """
    api = post.api
    ada = await a_provider(api, name="Ada", email=ADA)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact(TYPO))
    await post.work()
    after = await correct(
        api, booked, caller=api.admin, contact={"name": "Grace Hopper", "email": GRACE}
    )
    made(after, "Appointment")
    await post.work()
    first, farewell = post.letters(TYPO)
    assert str(first["Subject"]).startswith("Confirmed")
    assert str(farewell["Subject"]).startswith("Contact data changed")
    whole = farewell.as_string() + text_of(farewell)
    for secret in ("Grace", "grace@", "manage#", "BEGIN:VCALENDAR"):
        assert secret not in whole.replace(TYPO, "")
    [news] = post.letters(GRACE)
    assert str(news["Subject"]).startswith("Updated")
    assert "manage#" in text_of(news)
    assert "SEQUENCE:2" in news.as_string() or "text/calendar" in news.as_string()
    assert [str(each["Subject"]).partition(":")[0] for each in post.letters(ADA)] == [
        "New booking",
        "Updated",
    ]
    await post.work_at("2026-01-13T12:00:30Z")
    assert len(post.letters(TYPO)) == 2
    assert str(post.letters(GRACE)[-1]["Subject"]).startswith("Reminder")


async def test_a_message_that_waits_for_a_mistyped_address_is_not_sent_there(post: Post) -> None:
    """Nor is its provider left without news."""
    api = post.api
    ada = await a_provider(api, name="Ada", email=ADA)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact(TYPO))
    made(await correct(api, booked, contact=contact()), "Appointment")
    await post.work()
    assert [str(each["Subject"]).partition(":")[0] for each in post.letters(TYPO)] == [
        "Contact data changed"
    ]
    assert [str(each["Subject"]).partition(":")[0] for each in post.letters(GRACE)] == ["Updated"]
    assert [str(each["Subject"]).partition(":")[0] for each in post.letters(ADA)] == ["Updated"]


async def test_what_reaches_the_same_mailbox_is_no_news(post: Post) -> None:
    """Neither is another name, a zone or a language: nobody gets a message."""
    api = post.api
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact())
    await post.work()
    given = {"name": "Grace H.", "email": GRACE.upper(), "locale": "fr"}
    made(await correct(api, booked, contact=given, customerTimeZone="Asia/Tokyo"), "Appointment")
    assert await post.work() == {}
    await post.work_at("2026-01-13T12:00:30Z")
    assert [str(each["Subject"]).split()[0] for each in post.letters()] == ["Confirmed:", "Rappel"]


async def test_a_guest_cannot_send_strangers_more_than_the_limits_allow(
    environment: dict[str, str],
) -> None:
    """Corrections and their farewells count against the network, as bookings do."""
    async with a_post(environment | {MOST: "10", OPEN: "50", OF_NETWORK: "3"}) as post:
        api = post.api
        ada = await a_provider(api)
        booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact())
        await post.work()
        strangers = [f"stranger-{number}@example.org" for number in range(3)]
        for stranger in strangers:
            made(await correct(api, booked, contact=contact(stranger)), "Appointment")
            await post.work()
        # one booking, one correction with its farewell; then the day's allowance is used up
        assert len(post.letters()) == 3
        assert {to for to in strangers if post.letters(to)} == {strangers[0]}
        shown = {"id": booked["appointment"]["id"]}
        rows = (await api.ask(MESSAGES, caller=api.admin, **shown))["appointment"]["messages"]
        held = [
            row for row in rows if row["status"] == "SKIPPED" and "within a day" in row["detail"]
        ]
        assert [row["kind"] for row in held].count("CORRECTED") == 2


async def test_a_mailbox_that_was_flooded_gets_no_corrections(post: Post) -> None:
    """Three a day. A guest who points a fourth booking at it sends nothing there: neither the news
    nor the reminder, and the practice's cancellation is held back, too. What another address was
    told is not known here.
    """
    api = post.api
    api.clock.set("2026-01-13T08:00Z")
    ada = await a_provider(api)
    for hour in (9, 10, 11):
        await an_appointment(api, ada, f"2026-01-14T{hour:02}:00Z", customer=contact())
    other = await an_appointment(api, ada, "2026-01-14T13:00Z", customer=contact("own@example.org"))
    await post.work()
    assert len(post.letters(GRACE)) == 3
    made(await correct(api, other, contact=contact()), "Appointment")
    await post.work()
    assert len(post.letters("own@example.org")) == 2
    await post.work_at("2026-01-13T13:00:30Z")
    assert len(post.letters(GRACE)) == 6  # the reminders of the three that it knows
    values = {"appointmentId": other["appointment"]["id"]}
    made((await api.ask(CANCEL, caller=api.admin, input=values))["answer"], "Appointment")
    await post.work()
    assert len(post.letters(GRACE)) == 6
    shown = {"id": other["appointment"]["id"]}
    rows = (await api.ask(MESSAGES, caller=api.admin, **shown))["appointment"]["messages"]
    skipped = {row["kind"] for row in rows if row["status"] == "SKIPPED"}
    assert skipped >= {"CORRECTED", "DAY_BEFORE", "CANCELLED"}


async def test_the_farewell_is_not_sent_again_and_the_news_only_after_a_correction(
    post: Post,
) -> None:
    api = post.api
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact(TYPO))
    values = {
        "appointmentId": booked["appointment"]["id"],
        "recipient": "CUSTOMER",
        "channel": "EMAIL",
    }

    async def resend(kind: str) -> str:
        given = values | {"kind": kind}
        answer = (await api.ask(RESEND, caller=api.admin, input=given))["answer"]
        return str(answer["__typename"])

    assert await resend("CORRECTED") == "InvalidInputError"
    made(await correct(api, booked, contact=contact()), "Appointment")
    await post.work()
    assert await resend("READDRESSED") == "InvalidInputError"
    assert await resend("CORRECTED") == "Reminder"
    await post.work()
    assert len(post.letters(GRACE)) == 2


async def test_a_move_after_a_correction_is_announced_as_a_move(post: Post) -> None:
    """The time versions of corrections are not mistaken for moves, nor moves for corrections."""
    api = post.api
    ada = await a_provider(api, email=ADA)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact(TYPO))
    made(await move(api, booked, "2026-01-14T13:00Z", caller=api.admin), "BookingConfirmation")
    made(await correct(api, booked, contact=contact()), "Appointment")
    made(await move(api, booked, "2026-01-14T15:00Z", caller=api.admin), "BookingConfirmation")
    await post.work()
    moved = post.letters(GRACE)[-1]
    assert str(moved["Subject"]).startswith("Moved")
    assert "Previously: Wed, Jan 14, 2:00 PM" in text_of(moved)
    assert [str(each["Subject"]).partition(":")[0] for each in post.letters(TYPO)] == [
        "Contact data changed"
    ]


# ---------------------------------------------------------------- the manage link


async def test_a_new_manage_link_ends_the_one_before_it_everywhere(api: Api) -> None:
    """In inputs, as a bearer token, and under keys of requests that were made with it."""
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", customer=contact())
    key = new_key()
    moved = {
        "appointmentId": booked["appointment"]["id"],
        "startsAt": "2026-01-12T11:00:00Z",
        "idempotencyKey": key,
        "manageToken": booked["manageToken"],
    }
    move_it = """mutation ($input: RescheduleAppointmentInput!) { answer: rescheduleAppointment(input: $input) {
        __typename ... on BookingConfirmation { manageToken } ... on UserError { code } } }"""
    made((await api.ask(move_it, caller=None, input=moved))["answer"], "BookingConfirmation")
    answer = made(await renew(api, booked, api.admin), "BookingConfirmation")
    assert answer["manageToken"] != booked["manageToken"]
    assert answer["appointment"]["version"] == 3
    values = {"id": booked["appointment"]["id"]}
    old, new = booked["manageToken"], answer["manageToken"]
    assert (await api.ask(SEE, caller=None, token=old, **values))["appointment"] is None
    assert (await api.ask(SEE, caller=None, token=new, **values))["appointment"] is not None
    assert (await api.ask(SEE, caller=Caller(token=old), **values))["appointment"] is None
    assert (await api.ask(SEE, caller=Caller(token=new), **values))["appointment"] is not None
    for caller, token in ((None, old), (Caller(token=old), None)):
        given = {"appointmentId": values["id"], "manageToken": token}
        refused = (await api.ask(CANCEL, caller=caller, input=given))["answer"]
        assert refused["__typename"] == "NotFoundError"
        fixed = await api.ask(CORRECT, caller=caller, input=given | {"notes": "Mine"})
        assert fixed["answer"]["__typename"] == "NotFoundError"
        again = moved | {"manageToken": token}
        retried = (await api.ask(move_it, caller=caller, input=again))["answer"]
        assert retried == {"__typename": "NotFoundError", "code": "NOT_FOUND"}
    made(await correct(api, booked | {"manageToken": new}, notes="Knock"), "Appointment")


async def test_staff_and_the_signed_in_customer_replace_a_link_and_nobody_else(api: Api) -> None:
    ada = await a_provider(api)
    robin = api.customer("robin")
    booked = await an_appointment(api, ada, "2026-01-12T10:00Z", caller=robin, customer=contact())
    for caller, code in (
        (Caller(token=booked["manageToken"]), "NOT_ALLOWED"),
        (api.anonymous, "NOT_FOUND"),
        (api.customer("noor"), "NOT_FOUND"),
        (api.acting_for(await a_provider(api, name="Ben")), "NOT_FOUND"),
    ):
        assert (await renew(api, booked, caller))["code"] == code
    tokens = {booked["manageToken"]}
    for caller in (robin, api.acting_for(ada), api.admin):
        tokens.add(made(await renew(api, booked, caller), "BookingConfirmation")["manageToken"])
    assert len(tokens) == 4


async def test_later_messages_carry_the_new_link(post: Post) -> None:
    api = post.api
    ada = await a_provider(api)
    booked = await an_appointment(api, ada, "2026-01-14T12:00Z", customer=contact())
    await post.work()
    renewed = made(await renew(api, booked, api.admin), "BookingConfirmation")
    await post.work_at("2026-01-13T12:00:30Z")
    before, after = post.letters(GRACE)
    assert booked["manageToken"] in text_of(before)
    assert renewed["manageToken"] in text_of(after)


async def test_a_provider_who_leaves_no_place_behind_is_still_notified_after_a_correction(
    post: Post,
) -> None:
    """A correction between two hand-overs is no hand-over."""
    api = post.api
    ada = await a_provider(api, name="Ada", email=ADA)
    ben = await a_provider(api, name="Ben", email="ben@salon.example")
    cut = await a_service(api, ada, providerIds=[ada["id"], ben["id"]], bufferAfterMinutes=0)
    booked = await an_appointment(
        api, ada, "2026-01-14T12:00Z", serviceId=cut["id"], customer=contact(TYPO)
    )
    await post.work()
    made(await correct(api, booked, contact=contact()), "Appointment")
    handed = await move(api, booked, "2026-01-14T12:00Z", caller=api.admin, providerIds=[ben["id"]])
    made(handed, "BookingConfirmation")
    await post.work()
    assert str(post.letters(ADA)[-1]["Subject"]).startswith("Handed over")
    assert [
        str(each["Subject"]).partition(":")[0] for each in post.letters("ben@salon.example")
    ] == ["New booking"]


async def test_no_choice_of_channels_suppresses_the_notice_to_the_old_address(post: Post) -> None:
    """A correction may replace an address and ask for other channels, or none, at once."""
    api = post.api
    ada = await a_provider(api)
    for hour, channels in ((9, ["SMS"]), (10, []), (11, ["EMAIL"])):
        old = f"old-{hour}@example.org"
        booked = await an_appointment(
            api, ada, f"2026-01-14T{hour:02}:00Z", customer=contact(old, phone="+491701234567")
        )
        await post.work()
        given = contact(f"new-{hour}@example.org", phone="+491701234568", channels=channels)
        made(await correct(api, booked, contact=given), "Appointment")
        await post.work()
        assert [str(each["Subject"]).partition(":")[0] for each in post.letters(old)] == [
            "Confirmed",
            "Contact data changed",
        ]
