"""Free times, budgets and documents on a real Redis Cluster: slots that move, masters that die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from time import monotonic
from uuid import uuid4

import pytest

from app.admission.rates import Rate, Rates
from app.cache.documents import RegisteredDocuments
from app.core.changes import TimeChanged
from app.core.ids import OrganizationId, ProviderId
from app.free_times.connection import open_cache
from app.free_times.keys import DAY_LIFETIME_MS, day_key, shape, stamp_key
from app.free_times.shared import Fill, Question, SharedDays, Stamp
from app.process.plain_redis import RedisError, require_plain_redis
from app.process.worker import work
from app.redis_client import RedisClient
from app.redis_cluster import ClusterClient
from app.settings import Settings
from app.standins.embedded import Servers
from tests.builders import Api, a_provider, book, listed, running
from tests.cluster import Cluster, Node
from tests.integration.free_times.test_freshness import World, run, trial
from tests.integration.free_times.test_shared import MONDAY, RULES, WEEK
from tests.integration.live.subscriber import until

POINTS = Rate(name="points", points=600)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[ClusterClient]:
    found = await open_cache(cluster.url, timeout_seconds=2.0)
    assert isinstance(found, ClusterClient)
    yield found
    await found.aclose()


@pytest.fixture
def settings(environment: dict[str, str], cluster: Cluster) -> Settings:
    return Settings.from_environment(environment | {"SLOTWRIGHT_CACHE_URL": cluster.url})


class Days:
    """A provider's week in the cache, as one process of the program sees it."""

    def __init__(self, client: ClusterClient | RedisClient) -> None:
        self.cache = SharedDays(client, lambda: datetime.now(UTC))
        self.organization = OrganizationId(uuid4())
        self.provider = ProviderId(uuid4())

    @property
    def key(self) -> str:
        return stamp_key(self.organization, self.provider)

    @property
    def question(self) -> Question:
        return Question(self.organization, self.provider, shape(RULES), tuple(WEEK))

    async def keep(self, *, age_seconds: float = 0.0) -> Stamp:
        looked = await self.cache.look([Question(self.organization, self.provider)])
        assert looked is not None
        stamp = looked[0].stamp
        read_at = monotonic() - age_seconds
        await self.cache.keep([Fill(self.question, stamp, WEEK, read_at)])
        return stamp

    async def look(self) -> object:
        """Without what this process remembers: the days that count, None where it can't be asked."""
        looked = await self.cache.look([self.question])
        return None if looked is None else looked[0].days

    async def change(self) -> None:
        await self.cache.forget(
            [
                TimeChanged(
                    organization_id=self.organization,
                    subject_id=self.provider,
                    time_zone="UTC",
                    claimed_from=MONDAY * 1440 + 540,
                    claimed_until=MONDAY * 1440 + 570,
                )
            ]
        )


async def test_every_organization_is_cached_on_the_node_that_owns_its_tag(
    cluster: Cluster, client: ClusterClient
) -> None:
    many = [Days(client) for _ in range(40)]
    for days in many:
        await days.keep()
        assert await days.look() == WEEK
        assert cluster.owner_of(days.key).ask("EXISTS", days.key) == 1
        await days.change()
        assert await days.look() == {}
    assert len({cluster.owner_of(days.key).port for days in many}) == 3


async def test_budgets_and_documents_are_shared_through_a_cluster(client: ClusterClient) -> None:
    one, other = Rates(client), Rates(client)
    for number in range(40):
        for process in (one, other):
            process.spend(POINTS, f"caller-{number}", 400)
    await one.report()
    await other.report()
    assert all(other.wait(POINTS, f"caller-{number}") > 0 for number in range(40))
    documents = RegisteredDocuments(lambda: client, most=2)
    texts = [f"{{a{number}: hello}}" for number in range(4)]
    for text in texts:
        await documents.keep(sha256(text.encode()).hexdigest(), text)
    found = [await documents.find(sha256(text.encode()).hexdigest()) for text in texts]
    assert found == [None, None, *texts[2:]]


async def test_while_a_slot_moves_every_list_after_a_booking_is_the_new_one(
    cluster: Cluster, settings: Settings
) -> None:
    """Before its keys move, in between, when they have moved, and when it has a new owner."""
    async with running(settings) as here, running(settings) as there:
        one = await here.api()
        two = Api(there.http, there.resources, one.organization, there.clock)
        assert (await one.http.get("/readyz")).json()["cache"] == "ok"
        provider = await a_provider(one)
        other = await a_provider(one)
        hours = iter(range(9, 17))

        async def list_and_book() -> None:
            start = f"2026-01-13T{next(hours):02}:00:00Z"
            for api in (one, two):
                assert start in await listed(api, provider, "2026-01-13")
                await listed(api, other, "2026-01-13")
            made = await book(one, provider, start)
            assert made["__typename"] == "BookingConfirmation"
            for api in (two, one):
                assert start not in await listed(api, provider, "2026-01-13")

        await list_and_book()
        key = stamp_key(one.organization.id, ProviderId(uuid4()))
        with cluster.moving(key) as move:
            await list_and_book()
            move()
            await list_and_book()
        await list_and_book()
        await list_and_book()
        for api in (one, two):
            assert api.resources.accelerator.shared.counts.invalidations_late == 0


@pytest.mark.full
async def test_however_often_a_slot_moves_no_list_is_old(
    cluster: Cluster, settings: Settings
) -> None:
    async with running(settings) as here, running(settings) as there:
        one = await here.api()
        two = Api(there.http, there.resources, one.organization, there.clock)
        world = await World((one, two), seed=11).make()
        key = stamp_key(one.organization.id, ProviderId(uuid4()))
        for _ in range(20):
            with cluster.moving(key) as move:
                for _ in range(10):
                    await trial(world)
                await asyncio.to_thread(move)
                for _ in range(10):
                    await trial(world)
            for _ in range(20):
                await trial(world)
        for api in world.nodes:
            counts = api.resources.accelerator.shared.counts
            assert counts.days_hit > 0
            assert counts.invalidations_late == 0


@pytest.mark.full
async def test_after_ten_thousand_answers_through_a_cluster_no_list_is_old(
    settings: Settings,
) -> None:
    async with running(settings) as here, running(settings) as there:
        one = await here.api()
        two = Api(there.http, there.resources, one.organization, there.clock)
        for seed in range(10):
            world = await World((one, two), seed).make()
            await run(world, 1_000)


async def test_a_master_that_dies_with_an_invalidation_takes_nobody_back_in_time(
    cluster: Cluster, client: ClusterClient
) -> None:
    """Its successor gets the invalidations that no node took meanwhile."""
    days = Days(client)
    stamp = await days.keep()
    master = cluster.owner_of(days.key)
    elsewhere = Days(client)
    while cluster.owner_of(elsewhere.key) is master:
        elsewhere = Days(client)
    await elsewhere.keep()
    late = Days(client)
    while cluster.owner_of(late.key) is not master:
        late = Days(client)
    await late.keep()
    replica = cluster.replica_of(master)
    cluster.cut_off(replica)
    await days.change()
    assert days.cache.counts.invalidations_late == 0
    master.kill()
    assert await days.look() is None, "PostgreSQL is asked"
    assert await elsewhere.look() == WEEK, "the other nodes go on"
    await late.change()
    assert late.cache.counts.invalidations_late == 1
    await asyncio.to_thread(cluster.promote, replica, days.key)
    assert replica.ask("GET", days.key) == stamp, "it lacks the invalidation"
    assert await until_asked(days) == {}
    assert elsewhere.cache.counts.outages == 0
    await until(lambda: late.cache.announcer.late == 0)
    assert late.cache.counts.invalidations_lost == 0
    assert not replica.ask("EXISTS", late.key), "the new master was told"
    cluster.mend()


async def test_a_failover_there_and_back_shows_an_old_list_for_a_minute_at_most(
    cluster: Cluster, client: ClusterClient
) -> None:
    """A master that lost its slots while it ran, and has them again, is the same run of the server:
    its stamps count again, also those that nobody could change meanwhile. Days don't live longer.
    """
    days = Days(client)
    left = 1.5
    began = monotonic()
    stamp = await days.keep(age_seconds=DAY_LIFETIME_MS / 1000 - left)
    over = monotonic() + left  # later by what it took to keep them
    lifetime = over - began
    lists = [Days(client) for _ in range(2)]
    for each in lists:
        each.organization, each.provider = days.organization, days.provider
    master = cluster.owner_of(days.key)
    replica = cluster.replica_of(master)
    cluster.cut_off(replica)
    await days.change()
    await asyncio.to_thread(cluster.promote, replica, days.key)
    assert await asyncio.to_thread(cluster.replica_of, replica) is master
    await asyncio.to_thread(cluster.promote, master, days.key)
    assert master.ask("GET", days.key) == stamp, "the invalidation is lost"
    kept = day_key(days.key, shape(RULES), MONDAY)
    while master.ask("EXISTS", kept):
        asked = monotonic()
        found = await lists[0].look()
        assert not found or asked < over
        assert master.ask("PTTL", kept) <= lifetime * 1000
        await asyncio.sleep(0.02)
    assert await lists[1].look() == {}
    await asyncio.to_thread(cluster.mend)


async def test_a_cluster_in_place_of_the_plain_redis_is_refused_in_one_sentence(
    environment: dict[str, str], cluster: Cluster
) -> None:
    settings = Settings.from_environment(environment)
    await require_plain_redis(settings)
    with pytest.raises(RedisError, match="the cluster in SLOTWRIGHT_CACHE_URL"):
        await work(replace(settings, redis_url=cluster.url))


async def test_who_starts_while_the_cache_is_away_finds_out_later_what_it_is(
    own_redis: Servers, cluster: Cluster
) -> None:
    own_redis.stop_redis()
    plain = await open_cache(own_redis.redis_url, timeout_seconds=2.0)
    own_redis.start_redis()
    days = Days(plain)
    await days.keep()
    assert await days.look() == WEEK
    await days.cache.close()
    await plain.aclose()
    seen_as: list[Node] = cluster.nodes
    seen_as[0].kill()
    late = await open_cache(cluster.url, timeout_seconds=2.0)
    await asyncio.to_thread(cluster.mend)
    days = Days(late)
    await days.keep()
    assert await days.look() == WEEK
    await days.cache.close()
    await late.aclose()


async def until_asked(days: Days) -> object:
    """The first answer that is one: a node that failed is left alone for a second."""
    async with asyncio.timeout(30):
        while (found := await days.look()) is None:  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.05)
    return found
