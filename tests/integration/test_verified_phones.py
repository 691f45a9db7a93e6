"""Text messages go to verified numbers, unless the organization allows any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.api.words.relay import global_id
from tests.builders import Caller, Json, a_provider, an_appointment, book, made, weekly
from tests.integration.reminders import (
    RESEND,
    UPDATE_ORGANIZATION,
    Post,
    a_post,
    a_resend,
    text_any_number,
)

GRACE, PHONE, OTHER = "grace@example.org", "+491701234567", "+491707654321"
UNVERIFIED = ("BOOKED", "SMS", "SKIPPED", "the phone number is not verified")
SENT = ("BOOKED", "SMS", "SENT", None)
UPDATE = (
    "mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) { "
    "__typename } }"
)
ERASE = (
    "mutation ($input: EraseCustomerInput!) { answer: eraseCustomer(input: $input) { __typename } }"
)
MESSAGES = """query ($id: ID!) { appointment(id: $id) {
    customer { id } messages { kind recipient channel status detail }
} }"""
SETTINGS = "{ organization { slug name smsToUnverifiedNumbers } }"


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    """As an organization is from the start: nobody has been vouched for."""
    async with a_post(environment) as post:
        await text_any_number(post.api, allowed=False)
        yield post


async def a_salon(post: Post) -> Json:
    """Ada, who wants no messages."""
    return await a_provider(post.api, channels=[], weeklyHours=weekly("00:00", "24:00"))


async def booked(
    post: Post,
    ada: Json,
    starts_at: str,
    *,
    caller: Caller | None = None,
    phone: str = PHONE,
    **contact: object,
) -> Json:
    """Grace, who wants to be texted."""
    customer = {"name": "Grace", "phone": phone} | contact
    return await an_appointment(post.api, ada, starts_at, caller=caller, customer=customer)


async def seen(post: Post, confirmation: Json) -> list[tuple[str, str, str, str | None]]:
    """What staff see of what went to the customer, or did not: (kind, channel, status, detail)."""
    found = await post.api.ask(
        MESSAGES, caller=post.api.admin, id=confirmation["appointment"]["id"]
    )
    rows = [row for row in found["appointment"]["messages"] if row["recipient"] == "CUSTOMER"]
    return [
        (row["kind"], row["channel"], row["status"], row["detail"])
        for row in rows
        if row["status"] != "PENDING"
    ]


async def customer_of(post: Post, confirmation: Json) -> str:
    found = await post.api.ask(
        MESSAGES, caller=post.api.admin, id=confirmation["appointment"]["id"]
    )
    customer_id: str = found["appointment"]["customer"]["id"]
    return customer_id


async def set_phone(
    post: Post, caller: Caller, customer_id: str, phone: str | None, **changes: object
) -> None:
    values = {"id": customer_id, "phone": phone, **changes}
    made((await post.api.ask(UPDATE, caller=caller, input=values))["answer"], "Customer")


async def test_a_guests_number_is_not_texted_and_staff_see_why(post: Post) -> None:
    """The provider's own number needs no further word: staff set it."""
    ada = await a_provider(post.api, channels=["SMS"], phone=OTHER)
    confirmation = await booked(post, ada, "2026-01-20T12:00Z")
    await post.work()
    assert await seen(post, confirmation) == [UNVERIFIED]
    assert [to for to, _words in post.sms.texts()] == [OTHER]


async def test_an_organization_may_have_any_number_texted_and_take_it_back(post: Post) -> None:
    """What waits to be tried again then goes out no more."""
    ada = await a_salon(post)
    await text_any_number(post.api)
    first = await booked(post, ada, "2026-01-20T12:00Z")
    await post.work()
    assert await seen(post, first) == [SENT]
    post.sms.answers = [(429, {"code": 20429})]
    second = await booked(post, ada, "2026-01-20T14:00Z")
    assert await post.work() == {"PENDING": 1}
    await text_any_number(post.api, allowed=False)
    await post.end_leases()
    assert await post.work() == {"SKIPPED": 1}
    assert await seen(post, second) == [UNVERIFIED]


async def test_there_is_no_detour_for_who_wants_to_be_texted_only(post: Post) -> None:
    """Without a choice it is e-mail, as ever; customers who ask for texts alone get no e-mail in their
    place.
    """
    ada = await a_salon(post)
    silent = await booked(post, ada, "2026-01-20T12:00Z", email=GRACE)
    both = await booked(post, ada, "2026-01-20T13:00Z", email=GRACE, channels=["EMAIL", "SMS"])
    texts = await booked(post, ada, "2026-01-20T14:00Z", email=GRACE, channels=["SMS"])
    await post.work()
    assert await seen(post, silent) == [("BOOKED", "EMAIL", "SENT", None)]
    assert sorted(await seen(post, both)) == [("BOOKED", "EMAIL", "SENT", None), UNVERIFIED]
    assert await seen(post, texts) == [UNVERIFIED]


@pytest.mark.parametrize("who", ["admin", "provider"])
async def test_staff_vouch_for_the_number_of_whom_they_book_for(post: Post, who: str) -> None:
    """It then holds for guests who give it as well: it is the number that is verified. In this
    organization alone.
    """
    ada = await a_salon(post)
    caller = post.api.admin if who == "admin" else post.api.acting_for(ada)
    confirmation = await booked(post, ada, "2026-01-20T12:00Z", caller=caller)
    as_guest = await booked(post, ada, "2026-01-20T13:00Z", phone="+49 (0)170 1234567")
    await post.work()
    assert await seen(post, confirmation) == await seen(post, as_guest) == [SENT]
    other = await post.api.another_organization()
    bob = await a_provider(post.api, of=other, channels=[])
    customer = {"name": "Grace", "phone": PHONE}
    await an_appointment(
        post.api, bob, "2026-01-20T12:00Z", caller=other.anonymous, customer=customer
    )
    await post.work()
    assert len(post.sms.taken) == 2


async def test_staff_vouch_by_setting_the_number_even_to_what_it_was(post: Post) -> None:
    ada = await a_salon(post)
    confirmation = await booked(post, ada, "2026-01-20T12:00Z")
    await post.work()
    values = a_resend(confirmation, channel="SMS")
    refused = made(
        (await post.api.ask(RESEND, caller=post.api.admin, input=values))["answer"],
        "InvalidInputError",
    )
    assert (refused["field"], refused["message"]) == (
        "channel",
        "It can't be sent: the phone number is not verified.",
    )
    customer_id = await customer_of(post, confirmation)
    made(
        (
            await post.api.ask(
                UPDATE, caller=post.api.admin, input={"id": customer_id, "name": "Grace H."}
            )
        )["answer"],
        "Customer",
    )
    refused = (await post.api.ask(RESEND, caller=post.api.admin, input=values))["answer"]
    made(refused, "InvalidInputError")
    await set_phone(post, post.api.admin, customer_id, PHONE)
    made((await post.api.ask(RESEND, caller=post.api.admin, input=values))["answer"], "Reminder")
    assert await post.work() == {"SENT": 1}
    assert await seen(post, confirmation) == [UNVERIFIED, SENT]


async def test_a_number_in_whose_place_staff_set_another_is_not_texted_any_more(post: Post) -> None:
    ada = await a_salon(post)
    confirmation = await booked(post, ada, "2026-01-20T12:00Z", caller=post.api.admin)
    await set_phone(post, post.api.admin, await customer_of(post, confirmation), OTHER)
    await post.work()
    assert await seen(post, confirmation) == [UNVERIFIED]
    later = await booked(post, ada, "2026-01-20T13:00Z", phone=OTHER)
    await post.work()
    assert await seen(post, later) == [SENT]


async def test_a_customer_can_not_vouch_for_themselves_and_takes_no_word_back(post: Post) -> None:
    ada = await a_salon(post)
    await booked(post, ada, "2026-01-20T10:00Z", caller=post.api.admin, phone=OTHER)
    robin = post.api.customer("robin")
    confirmation = await booked(post, ada, "2026-01-20T12:00Z", caller=robin)
    customer_id = await customer_of(post, confirmation)
    await set_phone(post, robin, customer_id, OTHER)
    await set_phone(post, robin, customer_id, PHONE)
    await post.work()
    assert await seen(post, confirmation) == [UNVERIFIED]
    assert [to for to, _words in post.sms.texts()] == [OTHER]


async def test_what_a_token_calls_verified_is_believed(post: Post) -> None:
    """However it is spelled; and of another number the token says nothing."""
    ada = await a_salon(post)
    robin = post.api.customer("robin", verified_phone="+49 170 1234567")
    first = await booked(post, ada, "2026-01-20T12:00Z", caller=robin)
    second = await booked(post, ada, "2026-01-20T13:00Z", caller=robin, phone=OTHER)
    await post.work()
    assert await seen(post, first) == [SENT]
    assert await seen(post, second) == [UNVERIFIED]
    alan = post.api.customer("alan")
    third = await booked(post, ada, "2026-01-20T14:00Z", caller=alan, phone=OTHER)
    customer_id = await customer_of(post, third)
    await set_phone(post, post.api.customer("alan", verified_phone=OTHER), customer_id, OTHER)
    await post.work()
    assert await seen(post, third) == [SENT]


@pytest.mark.parametrize(
    ("claims", "contact"),
    [
        ({"name": "Robin", "verified_phone": PHONE}, {"email": None, "phone": PHONE}),
        (
            {"name": "Robin", "email": GRACE, "verified_phone": "0170"},
            {"email": GRACE, "phone": None},
        ),
    ],
)
async def test_a_first_booking_takes_the_number_over_from_the_token(
    post: Post, claims: dict[str, str], contact: Json
) -> None:
    """One that is no number does no harm."""
    ada = await a_salon(post)
    robin = post.api.customer("robin", **claims)
    confirmation = await an_appointment(
        post.api, ada, "2026-01-20T12:00Z", caller=robin, customer=None
    )
    kept = confirmation["appointment"]["contact"]
    assert {name: kept[name] for name in contact} == contact
    await post.work()
    assert [row[2] for row in await seen(post, confirmation)] == ["SENT"]


async def test_an_erasure_forgets_who_was_vouched_for(post: Post) -> None:
    ada = await a_salon(post)
    confirmation = await booked(post, ada, "2026-01-20T12:00Z", caller=post.api.admin, email=GRACE)
    await booked(post, ada, "2026-01-20T13:00Z", caller=post.api.admin, email=GRACE, phone=OTHER)
    [customer] = await post.api.rows(
        "SELECT id FROM customer WHERE organization_id = $1", post.api.organization.id
    )
    assert global_id("Customer", customer["id"]) == await customer_of(post, confirmation)
    assert len(await post.api.rows("SELECT FROM verified_phone")) == 2
    values = {"id": global_id("Customer", customer["id"])}
    made((await post.api.ask(ERASE, caller=post.api.admin, input=values))["answer"], "Customer")
    assert await post.api.rows("SELECT FROM verified_phone") == []


async def test_staff_who_vouch_at_once_do_not_block_each_other(post: Post) -> None:
    """One books for a customer while another sets their number, and two exchange the numbers of two
    customers.
    """
    ada = await a_salon(post)
    desk = post.api.admin
    one = await customer_of(
        post, await booked(post, ada, "2026-01-19T10:00Z", caller=desk, email=GRACE)
    )
    alan = {"email": "alan@example.org", "phone": OTHER}
    two = await customer_of(post, await booked(post, ada, "2026-01-19T11:00Z", caller=desk, **alan))
    for hour in range(8):
        there, back_again = (PHONE, OTHER) if hour % 2 else (OTHER, PHONE)
        customer = {"name": "Grace", "email": GRACE, "phone": there}
        answer, *_ = await asyncio.gather(
            book(post.api, ada, f"2026-01-20T{10 + hour}:00Z", caller=desk, customer=customer),
            set_phone(post, desk, one, there),
            set_phone(post, desk, two, back_again),
        )
        made(answer, "BookingConfirmation")


async def test_administrators_decide_and_staff_can_read_it(post: Post) -> None:
    ada = await a_salon(post)
    known = {
        "slug": post.api.organization.slug,
        "name": "A Practice",
        "smsToUnverifiedNumbers": False,
    }
    for caller in (post.api.admin, post.api.acting_for(ada)):
        assert (await post.api.ask(SETTINGS, caller=caller))["organization"] == known
    for caller in (post.api.anonymous, post.api.customer()):
        shown = (await post.api.ask(SETTINGS, caller=caller))["organization"]
        assert shown == known | {"smsToUnverifiedNumbers": None}

    async def change(caller: Caller, **values: object) -> Json:
        answer: Json = (await post.api.ask(UPDATE_ORGANIZATION, caller=caller, input=values))[
            "answer"
        ]
        return answer

    made(await change(post.api.acting_for(ada), smsToUnverifiedNumbers=True), "NotAllowedError")
    refused = made(await change(post.api.admin, smsToUnverifiedNumbers=None), "InvalidInputError")
    assert refused["field"] == "smsToUnverifiedNumbers"
    assert made(await change(post.api.admin), "Organization")["smsToUnverifiedNumbers"] is False
    assert made(await change(post.api.admin, smsToUnverifiedNumbers=True), "Organization")[
        "smsToUnverifiedNumbers"
    ]
    assert made(await change(post.api.admin), "Organization")["smsToUnverifiedNumbers"] is True
    other = await post.api.another_organization()
    assert (await post.api.ask(SETTINGS, caller=other.admin))["organization"][
        "smsToUnverifiedNumbers"
    ] is False
