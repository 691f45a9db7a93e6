"""Messages about visits that take several providers: each gets their own, and those who leave get a last one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders import Json, a_provider, made
from tests.integration.reminders import RESEND, Post, a_post, text_of
from tests.visits import a_treatment, a_visit, try_move

GRACE = "grace@example.org"
NOON, ONE = "2026-01-14T12:00Z", "2026-01-14T13:00Z"
MESSAGES = """
    query ($id: ID!) {
        appointment(id: $id) { messages { kind recipient status provider { id } } }
    }
"""


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    async with a_post(environment) as stands:
        yield stands


async def a_person(post: Post, name: str) -> Json:
    return await a_provider(post.api, name=name, email=f"{name.lower()}@salon.example")


async def a_team_visit(post: Post, service: Json, *named: Json) -> Json:
    customer = {"name": "Grace", "email": GRACE}
    return await a_visit(post.api, service, NOON, *named, customer=customer)


def subjects(post: Post, to: str) -> list[str]:
    """With plain spaces."""
    return [" ".join(each.split()) for each in post.subjects(to)]


async def messages(post: Post, booked: Json) -> list[tuple[str, str, str | None, str]]:
    answer = await post.api.ask(MESSAGES, caller=post.api.admin, id=booked["appointment"]["id"])
    return [
        (
            each["kind"],
            each["recipient"],
            each["provider"] and each["provider"]["id"],
            each["status"],
        )
        for each in answer["appointment"]["messages"]
    ]


async def test_every_provider_taken_gets_messages_of_their_own(post: Post) -> None:
    ada, ben, cyd = [await a_person(post, name) for name in ("Ada", "Ben", "Cyd")]
    service = await a_treatment(post.api, ada, ben, cyd, needed=2)
    booked = await a_team_visit(post, service)
    planned = await messages(post, booked)
    assert await post.work() == {"SENT": 3}
    assert [len(post.letters(f"{who}@salon.example")) for who in ("ada", "ben", "cyd")] == [1, 1, 0]
    [letter] = post.letters("ben@salon.example")
    assert "Hello Ben" in text_of(letter)
    [told] = post.letters(GRACE)
    assert "Ada, Ben" in str(told["Subject"])
    assert await post.work_at("2026-01-13T12:00Z") == {"SENT": 3}
    assert await post.work_at("2026-01-14T11:00Z") == {"SENT": 3}
    shown = await messages(post, booked)
    assert [each[:3] for each in shown] == [each[:3] for each in planned]
    assert {each[:3] for each in shown if each[0] == "BOOKED"} == {
        ("BOOKED", "CUSTOMER", None),
        ("BOOKED", "PROVIDER", ada["id"]),
        ("BOOKED", "PROVIDER", ben["id"]),
    }


async def test_a_provider_who_leaves_is_notified_and_one_who_comes_gets_a_booking(
    post: Post,
) -> None:
    """With the start that they had, and nothing after that."""
    ada, ben, cyd = [await a_person(post, name) for name in ("Ada", "Ben", "Cyd")]
    service = await a_treatment(post.api, ada, ben, cyd, needed=2)
    booked = await a_team_visit(post, service, ada)
    await post.work()
    moved = await try_move(post.api, booked, ONE, ada, cyd, caller=post.api.admin)
    made(moved, "BookingConfirmation")
    assert await post.work() == {"SENT": 4}
    assert [subjects(post, f"{who}@salon.example")[-1] for who in ("ada", "ben", "cyd")] == [
        f"Moved: {service['name']} with Grace, now Wed, Jan 14, 1:00 PM",
        f"Handed over: {service['name']} with Grace, Wed, Jan 14, 12:00 PM",
        f"New booking: {service['name']} with Grace, Wed, Jan 14, 1:00 PM",
    ]
    cancellation = post.letters("ben@salon.example")[-1].as_string()
    assert "METHOD:CANCEL" in cancellation or 'method="CANCEL"' in cancellation
    assert await post.work_at("2026-01-14T12:30Z") == {"SENT": 3}
    assert len(post.letters("ben@salon.example")) == 2


async def test_a_visit_that_is_handed_over_at_its_start_has_not_moved(post: Post) -> None:
    ada, ben = [await a_person(post, name) for name in ("Ada", "Ben")]
    service = await a_treatment(post.api, ada, ben)
    booked = await a_team_visit(post, service, ada)
    await post.work()
    made(await try_move(post.api, booked, NOON, ben, caller=post.api.admin), "BookingConfirmation")
    assert await post.work() == {"SENT": 3}
    told = f"Changed: {service['name']} with Ben, Wed, Jan 14, 1:00 PM"
    assert subjects(post, GRACE)[-1] == told
    assert "The time has not changed." in text_of(post.letters(GRACE)[-1])
    # Back before the worker has notified Ben that he has it no more: he still has it.
    made(await try_move(post.api, booked, NOON, ada, caller=post.api.admin), "BookingConfirmation")
    made(await try_move(post.api, booked, NOON, ben, caller=post.api.admin), "BookingConfirmation")
    await post.work()
    last = subjects(post, "ben@salon.example")
    assert [each.split(":")[0] for each in last] == ["New booking", "New booking"]


async def test_staff_send_a_message_to_one_of_the_providers_again(post: Post) -> None:
    ada, ben, cyd = [await a_person(post, name) for name in ("Ada", "Ben", "Cyd")]
    service = await a_treatment(post.api, ada, ben, cyd, needed=2)
    booked = await a_team_visit(post, service)
    await post.work()
    values: Json = {
        "appointmentId": booked["appointment"]["id"],
        "kind": "BOOKED",
        "recipient": "PROVIDER",
        "channel": "EMAIL",
    }
    for chosen in ({"providerId": ben["id"]}, {}):
        answer = await post.api.ask(RESEND, caller=post.api.acting_for(ben), input=values | chosen)
        made(answer["answer"], "Reminder")
    assert await post.work() == {"SENT": 2}
    assert [len(post.letters(f"{who}@salon.example")) for who in ("ada", "ben")] == [2, 2]
    refused = await post.api.ask(
        RESEND, caller=post.api.admin, input=values | {"providerId": cyd["id"]}
    )
    assert made(refused["answer"], "InvalidInputError")["field"] == "providerId"
