"""Every cache of a process is bounded by weight; its bound is documented, and its weights are true.

A new cache needs a row in docs/operations.md and an entry in `FILLINGS`: the names in the source,
in the table and here are compared.
"""

from __future__ import annotations

import ast
import gc
import re
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from graphql import parse
from graphql.execution.collect_fields import collect_fields

from app.admission.lines import Lines
from app.admission.rates import Rate, Rates, debt_key
from app.api.edge import kept_answers
from app.api.execution import fastlists
from app.api.execution.limits import Limits
from app.api.execution.operations import Document, Operation, Operations
from app.api.graph.schema import build_schema
from app.api.transport.bodies import Body
from app.api.transport.negotiation import answer_type, language_of
from app.api.transport.places import network_of
from app.api.words import instants
from app.api.words.relay import global_id, read_global_id
from app.cache.new_guests import NewGuests, Settings
from app.cache.organizations import Organizations
from app.cache.services import Forced, TakingMore
from app.cache.written import WrittenLists
from app.core import hours, validation, zones
from app.core.free_days import FreeDay
from app.core.hours import DayException, Hours, WeeklyRange
from app.core.ids import CustomerId, OrganizationId, ProviderId, ResourceId, ServiceId
from app.core.money import CancellationPolicy, LateCancellation
from app.core.provider import Calendar, Organization, Provider
from app.core.rules import ProviderRules, rules_in_force
from app.core.viewer import Role, Viewer
from app.free_times.calendars import Calendars, KnownCalendar
from app.free_times.listings import Listings
from app.free_times.local import LocalDays
from app.free_times.shared import SeenStamps, Stamp
from app.identity.revocations import Revocations
from app.notify import overrides, render, wording
from app.notify.message import Channel, MessageKind
from app.redis_client import Breaker
from app.store import one_call, sql
from app.usecases.listing import list_availability
from app.usecases.listing.dates import Minutes
from app.weighted_cache import WeightedCache, instances

ROOT: Final = Path(__file__).parents[2]
MEGABYTE: Final = 1024 * 1024

LATER: Final = 1e9
"""By a monotonic clock: the test's values are never over."""

MAY_ORDER: Final = frozenset({"app/weighted_cache.py", "app/live/ledger.py"})
"""Modules that use OrderedDict: the cache itself, and a queue that is swept by time."""

MAY_CACHE: Final = frozenset(
    {
        "app/api/edge/watching.py",
        "app/api/execution/fastlists.py",
        "app/core/refusals.py",
        "app/store/sql.py",
        "app/web/pages.py",
    }
)
"""Modules that use `functools.cache` on functions with arguments of which there are a handful: labels
of metrics, shapes of rows, the sentence of an overload, our own statements and files.
"""


CYCLES: Final = frozenset({"templates"})
"""Caches whose entries are cycles: the functions of a compiled template and its namespace refer to
each other. There are as many as an organization's staff write.
"""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """How the test fills one cache. `make` makes what owns it, `put` makes entry number so and so,
    each of them different and about as large as entries are.
    """

    put: Callable[[Any, int], object]
    put_heavy: Callable[[Any, int], object] | None = None
    """Puts larger ones into the cache, where filling it with usual ones would take seconds."""
    samples: int = 400
    cache: str | None = None
    """Which one, where a cache has entries of several kinds."""
    make: Callable[[], object] = field(default=lambda: None)


def _of(owner: object, name: str | None = None) -> WeightedCache[Any, Any]:
    """The cache of an object; by its name where there are several."""
    slots = [slot for kind in type(owner).__mro__ for slot in getattr(kind, "__slots__", ())]
    held = [getattr(owner, slot, None) for slot in slots] + list(
        getattr(owner, "__dict__", {}).values()
    )
    (found,) = [
        each
        for each in held
        if isinstance(each, WeightedCache) and (name is None or each.name == name)
    ]
    return found


def _organization(number: int) -> Organization:
    return Organization(
        id=OrganizationId(uuid4()),
        slug=f"organization-{number}",
        name=f"Organization {number} GmbH",
    )


def _put_organization(owner: object, number: int) -> None:
    found = _organization(number)
    _of(owner).put(found.slug, (found, LATER + number))


def _weekly(number: int) -> tuple[WeeklyRange, ...]:
    return tuple(
        WeeklyRange(weekday=day, start_minute=480 + number % 600, end_minute=1200 + number // 600)
        for day in range(5)
    )


def _calendar(number: int) -> KnownCalendar[Calendar]:
    """A usual one: hours, breaks and a few exceptions, all of them new objects."""
    free = CancellationPolicy(
        free_until_minutes_before=0, late_cancellation=LateCancellation.ALLOWED
    )
    rules = ProviderRules(
        service_duration_minutes=300 + number,
        buffer_minutes=0,
        slot_interval_minutes=None,
        min_notice_minutes=300 + number,
        max_advance_booking_days=300 + number,
    )
    provider = Provider(
        id=ProviderId(uuid4()),
        subject=f"provider-{number}",
        name=f"Provider {number}",
        email=f"provider-{number}@example.com",
        phone=None,
        time_zone="Europe/Berlin",
        rules=rules,
        cancellation_policy=free,
    )
    exceptions = {
        date.fromordinal(730_000 + number + each): DayException(
            date=date.fromordinal(730_000 + number + each), is_blocked=True, ranges=()
        )
        for each in range(5)
    }
    hours = Hours(
        time_zone="Europe/Berlin",
        weekly=_weekly(number),
        breaks=_weekly(number + 1),
        exceptions=exceptions,
        time_off=tuple(
            (700_000 + number + 9 * each, 700_005 + number + 9 * each) for each in range(5)
        ),
    )
    calendar = Calendar(
        provider=provider, service=None, hours=hours, rules=rules_in_force(rules, None)
    )
    first = date.fromordinal(730_000 + number)
    return KnownCalendar(
        calendar=calendar,
        rules_part=uuid4().bytes[:8],
        first=first,
        last=date.fromordinal(730_074 + number),
        read_at=LATER + number,
    )


def _days(number: int) -> tuple[dict[date, FreeDay], dict[date, int]]:
    """A week with five stretches a day."""
    dates = [date.fromordinal(730_000 + number + each) for each in range(7)]
    base = 29_000_000 + number * 7 * 1440
    days = {
        day: FreeDay(
            tuple(
                base + each * 1440 + minute
                for at in range(5)
                for minute in (90 * at, 90 * at + 30, -1439 * each)
            )
        )
        for each, day in enumerate(dates)
    }
    return days, dict.fromkeys(dates, 1_768_000_000 + number)


def _put_listing(owner: object, number: int) -> None:
    """A week of 147 slots, whose lists were shown with their usual fields."""
    assert isinstance(owner, Listings)
    base = 29_000_000 + number * 7 * 1440
    starts = {
        date.fromordinal(730_000 + number + each): tuple(
            range(base + each * 1440, base + each * 1440 + 420, 20)
        )
        for each in range(7)
    }
    found = list_availability.FreeTimes(
        calendar=CALENDAR,
        time_zone="Europe/Berlin",
        starts_by_date=starts,
        written=WrittenLists(list_availability._room(starts)),
    )
    found.written.keep("slots", bytes(147 * 120))
    question = (
        OrganizationId(uuid4()),
        list_availability.SlotQuestion(
            provider_id=ProviderId(uuid4()),
            service_id=None,
            first=min(starts),
            last=max(starts),
            time_zone=None,
        ),
    )
    owner.keep(
        question,
        (uuid4().bytes, number),
        found,
        seconds=LATER + number,
        size_bytes=list_availability._size(found),
    )


def _put_whole_answer(owner: object, number: int) -> None:
    """A week of 147 slots, as it was sent, plain and compressed."""
    assert isinstance(owner, Listings)
    viewer = Viewer(
        organization_id=OrganizationId(uuid4()),
        role=Role.CUSTOMER,
        subject=f"customer-{number}",
        name=f"Customer {number}",
        email=f"customer-{number}@example.com",
        customer_id=CustomerId(uuid4()),
    )
    stamps = {ProviderId(uuid4()): Stamp(uuid4().bytes[:8] * 3) for _ in range(1)}
    seen = SeenStamps.of(viewer.organization_id, stamps)
    assert seen is not None
    body = Body(bytes(16_000), bytes(1_700))
    answer = kept_answers._Answer(seen, Minutes(number, number + 1), number, ("provider",), body)
    key = kept_answers._Key(b"%d" % number + bytes(400), kept_answers._RIGHTS(viewer), "en")
    kept_answers.put(owner, key, answer, LATER + number)


OWN_STATEMENTS: Final = sorted(each.sql for each in sql.catalogue().values())
STATEMENTS: Final = [f"UPDATE thing SET size = {number} WHERE id = $1" for number in range(50)]

SCHEMA: Final = build_schema()
HELLO: Final = parse("{ __typename }")
QUERY: Final = "query ($id: ID!) {p: provider(id: $id) {id name} q: provider(id: $id) {name}}"


def _operations() -> Operations:
    return Operations(SCHEMA, limits=Limits(), introspection=False)


def _document(number: int) -> str:
    fields = " ".join(f"a{place}: name" for place in range(20))
    return f"{{p{number}: provider(id: 1) {{{fields} services {{id name}}}}}}"


def _put_document(owner: Any, number: int) -> None:  # noqa: ANN401  Operations
    text = _document(number)
    node = owner._parse(text)
    owner._validate(node)
    owner._remember(
        text, Document(node=node, sha256=f"{number:064}", costs={}, fields={}, prepared=set())
    )


def _put_heavy_document(cache: WeightedCache[Any, Any], number: int) -> None:
    """Without reading it."""
    document = Document(node=HELLO, sha256=f"{number:064}", costs={}, fields={}, prepared=set())
    cache.put(f"{number}" + "x" * 50_000, document)


def _run(_owner: Operations, operation: Operation) -> None:
    """What is remembered of its selections."""
    executor = operation.executor
    root = SCHEMA._schema.query_type
    assert root is not None
    fields, _, _ = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, executor.operation
    )
    for details in fields.values():
        executor.collect_subfields(SCHEMA._schema.get_type("Provider"), details)  # type: ignore[arg-type]


def _write(cache: WeightedCache[Any, Any], number: int) -> None:
    texts = fastlists._Texts()
    texts.update({(number, row): b"x" * 100 + b"%d" % row for row in range(50)})
    texts.bytes += sum(map(len, texts.values())) + fastlists._ENTRY_BYTES * len(texts)
    cache.put(number, texts)


def _shape(number: int) -> render.Shape:
    """The words of a reminder, of which there are some."""
    there_are = tuple(bool(number >> at & 1) for at in range(len(overrides.WORDS)))
    return render.Shape(MessageKind.DAY_BEFORE, "en", there_are)


FILLINGS: Final[dict[str, Filling]] = {
    "accepted languages": Filling(put=lambda _owner, number: language_of(f"it-{number}, de")),
    "accepted types": Filling(
        put=lambda _owner, number: answer_type(f"text/html, text/x-{number}")
    ),
    "calendars": Filling(
        make=Calendars,
        put=lambda owner, number: owner.keep(OrganizationId(uuid4()), _calendar(number)),
    ),
    "combined statements": Filling(
        put=lambda _owner, number: sql.together(
            tuple(STATEMENTS[number // 50**place % 50] for place in range(3))
        )
    ),
    "compiled lists": Filling(
        put=lambda _owner, number: fastlists._compile(
            tuple((f"name{number}x{place}", place, None) for place in range(5)),
            False,  # noqa: FBT003  the function's
        )
    ),
    "documents": Filling(
        make=_operations, put=_put_document, put_heavy=_put_heavy_document, samples=60
    ),
    "prepared operations": Filling(
        make=_operations,
        put=lambda owner, number: _run(owner, owner.prepare(QUERY, {"id": f"{number}"})),
        samples=100,
    ),
    "written rows": Filling(
        make=fastlists._Written,
        put=lambda owner, number: _write(_of(owner), number),
    ),
    "contested": Filling(
        make=Lines, put=lambda owner, number: _of(owner).put((uuid4(), uuid4()), LATER + number)
    ),
    "date intervals": Filling(
        put=lambda _owner, number: zones.date_interval(_zone(number), _day(number // 400))
    ),
    "dates": Filling(
        put=lambda _owner, number: zones.dates_between(_day(number), _day(number + 14))
    ),
    "debts": Filling(
        make=lambda: Rates(_Redis()),  # type: ignore[arg-type]  # nothing is reported
        put=lambda owner, number: _of(owner).put(
            debt_key(Rate(name="points", points=1), f"caller {number}"), LATER + number
        ),
    ),
    "free days": Filling(
        make=LocalDays,
        put=lambda owner, number: owner.put(
            (f"slotwright:free:6:{{{uuid4().hex}}}:{uuid4().hex}", f"{number:012x}"),
            number.to_bytes(24, "big"),
            *_days(number),
        ),
    ),
    "global ids": Filling(
        put=lambda _owner, _number: read_global_id(global_id("Appointment", uuid4()))
    ),
    "languages": Filling(put=lambda _owner, number: wording.negotiate(f"de-x{number:07}")),
    "layouts": Filling(
        put=lambda _owner, number: render._layout(Channel.EMAIL, _shape(number)), samples=100
    ),
    "listings": Filling(make=Listings, put=_put_listing),
    "whole answers": Filling(make=Listings, put=_put_whole_answer, cache="listings"),
    "local days": Filling(
        put=lambda _owner, number: zones.local_days(
            _zone(number), number // 400 * 64, number // 400 * 64
        )
    ),
    "mail domains": Filling(
        put=lambda _owner, number: validation._mail_domain(f"practice-{number}.example.com")
    ),
    "networks": Filling(
        put=lambda _owner, number: network_of(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")
    ),
    "new guests": Filling(
        make=NewGuests,
        put=lambda owner, number: owner.saw(
            OrganizationId(uuid4()),
            Settings(2**31 + number, allows_overlap=True, reminders=[2**9 + number] * 5),
        ),
    ),
    "services taking more": Filling(
        make=TakingMore,
        put=lambda owner, number: owner.add(
            OrganizationId(uuid4()),
            ServiceId(uuid4()),
            forced=Forced(1, tuple(ResourceId(uuid4()) for _ in range(number % 3)))
            if number % 2
            else None,
        ),
    ),
    "organizations": Filling(make=Organizations, put=_put_organization),
    "revocations": Filling(
        make=Revocations,
        put=lambda owner, number: owner.remember(
            OrganizationId(uuid4()), f"token {number}", LATER + number, revoked=False
        ),
    ),
    "statements of one call": Filling(
        put=lambda _owner, number: one_call.in_one_call(
            tuple(OWN_STATEMENTS[number // 50**place % 50] for place in range(3))
        )
    ),
    "templates": Filling(
        put=lambda _owner, number: overrides._compiled(
            "text", f"Hello {{{{ contact }}}}, {{% if fee %}}{number}{{% endif %}}: {{{{ date }}}}"
        ),
        put_heavy=lambda cache, number: cache.put(("text", f"{number}" + "x" * 50_000), None),
        samples=40,
    ),
    "times in words": Filling(
        put=lambda _owner, number: wording._said(
            "yMMMEd", date.fromordinal(730_000 + number), wording.negotiate("en")
        ),
        put_heavy=lambda cache, number: cache.put(("time", number, None), "x" * 2_000),
    ),
    "weeks": Filling(put=lambda _owner, number: hours._week(_weekly(number), ())),
    "written dates": Filling(put=lambda _owner, number: instants._date(number)),
    "zone offsets": Filling(put=lambda _owner, number: zones._block(_zone(number), number // 400)),
}


CALENDAR: Final = _calendar(0).calendar


class _Redis:
    """Enough of a client: nothing is reported."""

    breaker = Breaker()


ZONES: Final = sorted(zones.known_zones())[:400]


def _zone(number: int) -> str:
    return ZONES[number % 400]


def _day(number: int) -> date:
    return zones.date_of_number(7_000 + number)


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "app").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def _names_in_source() -> list[str]:
    """The first arguments of every call that makes a cache."""
    return [
        ast.literal_eval(node.args[0])
        for module, tree in _sources()
        if module != "app/weighted_cache.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"WeightedCache", "remembered"}
    ]


def _documented() -> dict[str, int]:
    """The bounds in bytes, by name, as docs/operations.md has them."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split("## What a process remembers")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|[^|]*\| (\d+) MiB \|$", section, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {name: int(size) * MEGABYTE for name, size in rows}


def test_every_cache_has_a_documented_bound_and_is_filled_here() -> None:
    names = sorted(_names_in_source())
    filled = {each.cache or name for name, each in FILLINGS.items()}
    assert names == sorted(_documented()) == sorted(filled)
    assert len(names) == len(set(names))


def test_nothing_else_in_the_program_is_a_cache() -> None:
    others = []
    for module, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                imported = {alias.name for alias in node.names}
                if node.module == "functools" and "lru_cache" in imported:
                    others.append(f"{module}: lru_cache")
                if "OrderedDict" in imported and module not in MAY_ORDER:
                    others.append(f"{module}: OrderedDict")
                if node.module == "functools" and "cache" in imported and module not in MAY_CACHE:
                    others += [
                        f"{module}: {function.name}"
                        for function in ast.walk(tree)
                        if isinstance(function, ast.FunctionDef)
                        and any(
                            isinstance(each, ast.Name) and each.id == "cache"
                            for each in function.decorator_list
                        )
                        and ast.unparse(function.args)
                    ]
    assert others == []


@pytest.mark.parametrize("name", sorted(FILLINGS))
def test_a_full_cache_stays_below_its_documented_bound(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = FILLINGS[name]
    owner, cache = _made(name, filling)
    assert cache.most_bytes == _documented()[filling.cache or name]
    cache.clear()
    # A quarter is filled sooner, and still holds many entries.
    monkeypatch.setattr(cache, "most_bytes", cache.most_bytes // 4)
    seen = 0
    for number in range(1_000_000):
        before = cache.bytes
        if filling.put_heavy is None:
            filling.put(owner, number)
        else:
            filling.put_heavy(cache, number)
        seen = max(seen, cache.bytes)
        if cache.bytes < before or (cache.bytes == before and number > 1_000):
            break  # it evicts
    assert 0.9 * cache.most_bytes < seen <= cache.most_bytes
    cache.clear()


@pytest.mark.parametrize("name", sorted(FILLINGS))
def test_an_entry_takes_no_more_memory_than_it_weighs(name: str) -> None:
    """Nor so much less that the bound would be a fiction."""
    filling = FILLINGS[name]
    owner, cache = _made(name, filling)
    for number in range(filling.samples + 100):  # what only the first one makes
        filling.put(owner, number)
    taken, weight = _measured(filling, owner, cache, 1_000)
    if taken > 1.1 * weight:
        # Python's table of names grew, which is one step and can't follow at once.
        taken, weight = _measured(filling, owner, cache, 1_000 + filling.samples)
    assert 0.4 * weight < taken <= 1.1 * weight


def _measured(
    filling: Filling, owner: object, cache: WeightedCache[Any, Any], first: int
) -> tuple[int, int]:
    """The bytes that some entries take, and what they weigh."""
    cache.clear()
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(first, first + filling.samples):
            filling.put(owner, number)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    weight = cache.bytes
    cache.clear()
    return taken, weight


@pytest.mark.parametrize("name", sorted(FILLINGS.keys() - CYCLES))
def test_an_evicted_entry_leaves_nothing_for_the_garbage_collector(name: str) -> None:
    """A full collection stops a large process, so there is one in hours: until then, entries that
    are cycles would stay, on top of everything that the bounds allow.
    """
    filling = FILLINGS[name]
    owner, cache = _made(name, filling)
    cache.clear()
    for number in range(1_000, 1_000 + filling.samples):
        filling.put(owner, number)
    gc.collect()
    gc.disable()
    try:
        filling.put(owner, 1_001 + filling.samples)
        of_putting = gc.collect()
        most, cache.most_bytes = cache.most_bytes, 3 * cache.bytes // (2 * len(cache))
        filling.put(owner, 1_000 + filling.samples)
        cache.most_bytes = most
        assert len(cache) <= 1
        unreachable = gc.collect()
    finally:
        gc.enable()
    cache.clear()
    assert unreachable - of_putting < filling.samples


def _made(name: str, filling: Filling) -> tuple[object, WeightedCache[Any, Any]]:
    """The owner, where the cache has one, and the cache."""
    owner, name = filling.make(), filling.cache or name
    if owner is not None:
        return owner, _of(owner, name)
    (cache,) = [each for each in instances() if each.name == name]
    return None, cache
