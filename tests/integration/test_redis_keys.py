"""The keys of the cache, the documents and the budgets, as Redis sees them: fit for a Redis Cluster."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from hashlib import sha256
from time import monotonic
from uuid import uuid4

from app.admission.rates import Rate, Rates
from app.cache.documents import RegisteredDocuments
from app.core.changes import RulesChanged, TimeChanged
from app.core.free_days import FreeDay
from app.core.ids import OrganizationId, ProviderId
from app.free_times.connection import open_redis
from app.free_times.shared import Fill, Question, SharedDays
from app.redis_client import RedisClient, tag_of

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
DATES = (date(2026, 1, 12), date(2026, 1, 13))


async def all_uses(redis: RedisClient) -> None:
    """Everything that these parts ask of Redis, for two organizations and many callers."""
    shared = SharedDays(redis, lambda: datetime.now(UTC))
    for _ in range(2):
        organization, provider = OrganizationId(uuid4()), ProviderId(uuid4())
        question = Question(organization, provider, "shape", DATES)
        seen = await shared.look([Question(organization, provider), question])
        assert seen is not None
        days = dict.fromkeys(DATES, FreeDay(()))
        await shared.keep([Fill(question, seen[0].stamp, days, monotonic())])
        assert await shared.stamps(organization, [provider])
        changed = TimeChanged(
            organization_id=organization,
            subject_id=provider,
            time_zone="UTC",
            claimed_from=0,
            claimed_until=1,
        )
        await shared.forget([changed, RulesChanged(organization_id=organization, ids=(provider,))])
    assert shared.counts.fills == 2
    assert shared.counts.outages == 0
    await shared.close()
    rates = Rates(redis)
    for number in range(50):
        rates.spend(Rate(name="points", points=600), f"caller-{number}", 10)
    await rates.close()
    documents = RegisteredDocuments(lambda: redis, most=3)
    for number in range(5):
        text = f"{{a{number}: hello}}"
        await documents.keep(sha256(text.encode()).hexdigest(), text)
        assert await documents.find(sha256(text.encode()).hexdigest()) == text


async def test_scripts_declare_every_key_and_all_keys_of_a_command_share_a_hash_tag(
    redis: RedisClient, redis_url: str
) -> None:
    watched = open_redis(redis_url, timeout_seconds=2.0)
    said: list[tuple[bool, list[str]]] = []
    async with redis.monitor() as monitor:
        await all_uses(watched)
        await watched.echo("the end")
        while not said or said[-1][1][-1] != "the end":
            line = (await monitor.connection.read_response()).decode()
            said.append((" lua] " in line.split('"')[0], QUOTED.findall(line)))
    await watched.aclose()
    declared: set[str] = set()
    scripts = 0
    for is_in_script, (name, *arguments) in said:
        if is_in_script:
            if name.upper() != "TIME":
                assert arguments[0] in declared, (name, arguments)
            continue
        match name.upper():
            case "EVAL":
                declared = set(arguments[2 : 2 + int(arguments[1])])
                scripts += 1
            case "MGET" | "DEL":
                declared = set(arguments)
            case _:
                continue
        assert len({tag_of(key) for key in declared}) == 1, declared
    assert scripts >= 2 * 3 + 2 + 10
