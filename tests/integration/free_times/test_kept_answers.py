"""Whole answers: the same query is answered with the bytes of before exactly as long as they are
true, and to nobody with other rights.
"""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from hashlib import sha256

import pytest

from app.api.execution.operations import Operations
from app.api.operation.context import Context
from app.api.transport import bodies
from app.api.transport.bodies import LARGE_BYTES
from app.cache.documents import document_key
from app.core.ids import ProviderId
from app.core.viewer import Viewer
from app.redis_client import RedisClient
from app.telemetry import metrics
from app.usecases.listing.list_availability import SlotQuestion, list_availability
from app.weighted_cache import instances
from tests.builders import Api, Caller, Json, a_provider, an_appointment, key_in, unknown, weekly

WEEK = """query ($id: ID!, $from: Date!, $to: Date!, $zone: TimeZone) { provider(id: $id) {
    id name email availability(from: $from, to: $to, timeZone: $zone) {
        __typename
        ... on Availability { days { date slotCount } slots { startsAt endsAt localStart } }
        ... on UserError { message }
    } } }"""
PROVIDERS = """query ($from: Date!, $to: Date!) { providers(first: 10) {
    pageInfo { hasNextPage } nodes { name availability(from: $from, to: $to) {
        ... on Availability { slots { startsAt } } } } } }"""
HOLD = """mutation ($input: HoldSlotInput!) { answer: holdSlot(input: $input) {
    ... on Hold { expiresAt } } }"""
UPDATE = """mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) {
    __typename } }"""
SET_EXCEPTION = """mutation ($input: SetExceptionInput!) { answer: setException(input: $input) {
    __typename } }"""
DATES = {"from": "2026-01-12", "to": "2026-01-25"}
OFTEN = 6


class Asking:
    """Asks, and counts which of the answers were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.sent_bytes = 0
        run = Operations.run

        async def counted(*arguments: object) -> object:
            self.made += 1
            return await run(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Operations, "run", counted)

    async def __call__(
        self,
        api: Api,
        document: str = WEEK,
        *,
        caller: Caller | None = None,
        encoding: str = "gzip",
        **variables: str,
    ) -> Json:
        """The answer; `sent_bytes` is then its length on the wire."""
        headers = [*(caller or api.anonymous).headers, (b"accept-encoding", encoding.encode())]
        body = json.dumps({"query": document, "variables": DATES | variables})
        response = await api.http.post("/graphql", content=body, headers=headers)
        assert response.status_code == 200
        assert response.headers.get("content-encoding", "identity") in {encoding, "identity"}
        self.sent_bytes = int(response.headers["content-length"])
        found: Json = response.json()
        return found

    async def often(
        self,
        api: Api,
        *,
        document: str = WEEK,
        caller: Caller | None = None,
        encoding: str = "gzip",
        **variables: str,
    ) -> Json:
        """The answer, which is asked for until it is kept; and each time it is the same."""
        ask = partial(self, api, document, caller=caller, encoding=encoding, **variables)
        answers = [await ask() for _ in range(OFTEN)]
        assert answers == [answers[0]] * OFTEN
        before = self.made
        assert await ask() == answers[0]
        assert self.made == before, "it was kept"
        return answers[0]


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(monkeypatch)


class Changes:
    """What changes Ada's week, from either node."""

    def __init__(self, nodes: tuple[Api, Api], ada: Json) -> None:
        self.nodes = nodes
        self.one, self.other = nodes
        self.ada = ada
        self.until = ""

    async def begin_a_minute(self) -> None:
        for each in self.nodes:
            each.clock.set("2026-01-12T08:00:00.000001Z")

    async def book(self) -> None:
        await an_appointment(self.one, self.ada, "2026-01-13T09:00Z")

    async def rename(self) -> None:
        values = {"id": self.ada["id"], "name": "Ada Byron"}
        await self.other.ask(UPDATE, caller=self.one.admin, input=values)

    async def close(self) -> None:
        date = {"date": "2026-01-14", "isBlocked": True, "ranges": []}
        values = {"providerId": self.ada["id"], **date}
        await self.other.ask(SET_EXCEPTION, caller=self.one.admin, input=values)

    async def hold(self) -> None:
        wish = {"startsAt": "2026-01-13T10:00:00Z", "idempotencyKey": "hold"}
        values = {"providerId": self.ada["id"], **wish}
        self.until = (await self.one.ask(HOLD, input=values))["answer"]["expiresAt"]

    async def let_it_expire(self) -> None:
        for each in self.nodes:
            each.clock.set(self.until)


async def test_after_every_change_both_nodes_answer_anew(
    nodes: tuple[Api, Api], asking: Asking
) -> None:
    ada = await a_provider(nodes[0], weeklyHours=weekly("09:00", "12:00"), minNoticeMinutes=60)
    to = Changes(nodes, ada)
    for change in (to.begin_a_minute, to.book, to.rename, to.close, to.hold, to.let_it_expire):
        # While somebody holds a time, nothing is kept.
        ask = asking if change == to.let_it_expire else asking.often
        before = [await ask(each, id=ada["id"]) for each in nodes]
        await change()
        for each, old in zip(nodes, before, strict=True):
            new = await asking(each, id=ada["id"])
            # Kept answers go by the text: other words are another question.
            assert new == await asking(each, f"# {change.__name__}\n{WEEK}", id=ada["id"])
            assert new != old, change.__name__


async def test_a_list_of_providers_is_answered_anew_after_every_change_of_the_practice(
    nodes: tuple[Api, Api], asking: Asking
) -> None:
    one, other = nodes
    ada = await a_provider(one, name="Ada", weeklyHours=weekly("09:00", "12:00"))
    await a_provider(one, name="Grace", weeklyHours=weekly("10:00", "12:00"))
    for each in nodes:
        each.clock.set("2026-01-12T08:00:00.000001Z")

    async def archive() -> None:
        await other.ask(UPDATE, caller=one.admin, input={"id": ada["id"], "isArchived": True})

    async def rename() -> None:
        await other.ask(UPDATE, caller=one.admin, input={"id": ada["id"], "name": "Zoe"})

    async def add() -> None:
        await a_provider(other, name="Mary", weeklyHours=weekly("09:00", "10:00"))

    async def book() -> None:
        await an_appointment(other, ada, "2026-01-13T09:00Z")

    for change in (book, rename, add, archive):
        before = [await asking.often(each, document=PROVIDERS) for each in nodes]
        await change()
        for each, old in zip(nodes, before, strict=True):
            new = await asking(each, PROVIDERS)
            assert new == await asking(each, f"# {change.__name__}\n{PROVIDERS}")
            assert new != old, change.__name__


async def test_what_is_known_of_a_provider_is_believed_for_a_minute_from_its_reading(
    own_api: Api,
) -> None:
    """Whatever else is in the answer: an invalidation may have been lost."""
    ada = await a_provider(own_api)
    resources, organization_id = own_api.resources, own_api.organization.id
    provider_id, day = ProviderId(key_in(ada["id"])), date(2026, 1, 12)
    question = SlotQuestion(provider_id, None, day, day, None)
    await list_availability(resources, organization_id, [question])
    known = resources.accelerator.calendars.latest(organization_id, provider_id)
    assert known is not None
    context = Context(resources, Viewer(organization_id=organization_id))
    assert await context.find_provider(provider_id) is known.calendar.provider
    assert context.made_of.is_vouched_for
    assert context.made_of.until == known.read_at + 60


async def test_a_known_answer_is_counted_as_an_operation(own_api: Api, asking: Asking) -> None:
    ada = await a_provider(own_api, weeklyHours=weekly("09:00", "12:00"))
    await asking.often(own_api, id=ada["id"])
    counted = metrics.OPERATIONS.labels("provider", "http", "OK")
    timed = metrics.OPERATION_SECONDS.labels("provider")
    before, seconds = counted._value.get(), timed._sum.get()
    await asking.often(own_api, id=ada["id"])
    assert counted._value.get() == before + OFTEN + 1
    assert timed._sum.get() > seconds


async def test_nobody_gets_the_answer_to_a_viewer_with_other_rights(
    own_api: Api, asking: Asking
) -> None:
    api = own_api
    ada = await a_provider(api, email="ada@example.com", weeklyHours=weekly("09:00", "12:00"))
    stranger = await api.another_organization()
    callers = [None, api.admin, api.customer("carla"), api.customer("mia")]
    for _ in range(2):
        shown = [await asking.often(api, caller=each, id=ada["id"]) for each in callers]
        assert [each["data"]["provider"]["email"] for each in shown] == [
            None, "ada@example.com", None, None,
        ]  # fmt: skip
        theirs = await asking(api, caller=stranger.admin, id=ada["id"])
        assert theirs["data"]["provider"] is None


async def test_errors_and_what_no_stamp_vouches_for_are_made_each_time(
    own_api: Api, asking: Asking
) -> None:
    api = own_api
    ada = await a_provider(api, weeklyHours=weekly("09:00", "12:00"))
    await asking.often(api, id=ada["id"])
    with_services = WEEK.replace("id name email", "services { name }")
    for document, variables in (
        (WEEK, {"id": ada["id"], "zone": "Mars/Olympus"}),
        (WEEK, {"id": ada["id"], "to": "2027-01-12"}),
        (WEEK, {"id": unknown("Provider")}),
        (with_services, {"id": ada["id"]}),
    ):
        before = asking.made
        for _ in range(OFTEN):
            await asking(api, document, **variables)
        assert asking.made == before + OFTEN


async def test_a_document_is_registered_again_each_time_it_is_sent_with_its_hash(
    own_api: Api, redis: RedisClient
) -> None:
    """Redis may have evicted it since the answer."""
    ada = await a_provider(own_api)
    name = sha256(WEEK.encode()).hexdigest()
    body = json.dumps(
        {
            "query": WEEK,
            "variables": {**DATES, "id": ada["id"]},
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}},
        }
    )
    for _ in range(OFTEN):
        await redis.delete(document_key(name))
        headers = own_api.anonymous.headers
        response = await own_api.http.post("/graphql", content=body, headers=headers)
        assert response.json()["data"]["provider"]["availability"]["slots"]
        assert await redis.exists(document_key(name))


@pytest.mark.parametrize("last", ["2026-01-14", "2026-03-14"], ids=["large", "on a thread"])
async def test_a_large_answer_is_kept_compressed_for_those_who_take_it(
    own_api: Api, asking: Asking, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await a_provider(own_api, serviceDurationMinutes=15)
    ask = partial(asking, own_api, id=ada["id"], to=last)
    compressions = 0
    compress = bodies._compressed

    def counted(plain: bytes) -> bodies.Body:
        nonlocal compressions
        compressions += 1
        return compress(plain)

    monkeypatch.setattr(bodies, "_compressed", counted)
    whole = await asking.often(own_api, id=ada["id"], to=last, encoding="identity")
    plain_bytes, before, kept = asking.sent_bytes, asking.made, _weight_of_listings()
    assert compressions == 0
    for _ in range(3):
        assert await ask() == whole
    assert asking.sent_bytes < plain_bytes / 5
    assert _weight_of_listings() == kept + asking.sent_bytes
    assert await ask(encoding="identity") == whole
    assert (asking.sent_bytes, asking.made, compressions) == (plain_bytes, before, 1)
    assert plain_bytes > LARGE_BYTES or last == "2026-01-14"


def _weight_of_listings() -> int:
    return sum(cache.bytes for cache in instances() if cache.name == "listings")
