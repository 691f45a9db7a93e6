"""What tests use: the API in process on a real PostgreSQL and Redis, a clock that they set, and
builders.

Builders speak the API's own words: `await a_provider(api, timeZone="America/New_York",
bufferMinutes=15)`. They answer with what the API answered, as plain dictionaries, and fail where it
refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeAlias
from uuid import UUID

import httpx

from app.api.words.relay import global_id, read_global_id
from app.core.provider import Organization
from app.core.viewer import Role
from app.identity.access import AccessClaims, AccessTokens
from app.process.asgi import create_app
from app.process.clock import system_clock
from app.process.wiring import open_resources
from app.settings import Settings
from app.store.pool import Transaction
from app.usecases.practice.create_organization import create_organization
from app.usecases.resources import Resources

Json: TypeAlias = dict[str, Any]

NOW: Final = datetime(2026, 1, 12, 8, tzinfo=UTC)
"""A Monday morning: what the tests' clock reads unless they turn it."""

TODAY: Final = NOW.date()

WEEKDAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

_numbers = count(1)


class Clock:
    """The program's clock, turned by hand. Manage tokens are judged by it as well, access tokens by
    the machine's.
    """

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime | str) -> None:
        self.now = instant(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request: a bearer token, an organization's slug in the header, both
    or neither.
    """

    token: str | None = None
    organization: str | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(b"content-type", b"application/json")]
        if self.token is not None:
            headers.append((b"authorization", f"Bearer {self.token}".encode("latin-1")))
        if self.organization is not None:
            headers.append((b"slotwright-organization", self.organization.encode("latin-1")))
        return headers


class Tenant:
    """An organization, and the callers that belong to it."""

    def __init__(self, organization: Organization, tokens: AccessTokens) -> None:
        self.organization = organization
        self.anonymous = Caller(organization=organization.slug)
        self.admin = Caller(token=self._signed(tokens, Role.ADMIN, "an-admin"))
        self.reception = Caller(token=self._signed(tokens, Role.RECEPTION, "a-receptionist"))
        self._tokens = tokens

    def acting_for(self, provider: Mapping[str, Any]) -> Caller:
        """The caller who is this provider."""
        return Caller(token=self._signed(self._tokens, Role.PROVIDER, provider["subject"]))

    def customer(self, subject: str = "a-customer", **claims: str) -> Caller:
        """A signed-in customer; `claims` are the name and e-mail that the token tells."""
        return Caller(token=self._signed(self._tokens, Role.CUSTOMER, subject, **claims))

    def _signed(self, tokens: AccessTokens, role: Role, subject: str, **claims: str) -> str:
        said = AccessClaims(
            subject=subject,
            organization=self.organization.slug,
            role=role,
            expires_at=system_clock() + timedelta(hours=1),
            **claims,
        )
        return tokens.sign(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it came."""

    status: int
    body: Json

    @property
    def data(self) -> Json:
        """The data of a response without any error."""
        assert self.status == 200, self
        assert "errors" not in self.body, self
        data: Json = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of its errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", ())]


class Api(Tenant):
    """The application in process, asked over HTTP; and the organization that its callers belong to.

    `resources` are connections of the test's own, on the same database and the same clock: to look
    behind the API.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        resources: Resources,
        organization: Organization,
        clock: Clock,
    ) -> None:
        super().__init__(organization, resources.access_tokens)
        self.http = http
        self.resources = resources
        self.clock = clock

    async def send(
        self, document: str, *, caller: Caller | None = None, **variables: object
    ) -> Answer:
        """The response, of any kind. Without a given caller, it is anonymous."""
        response = await self.http.post(
            "/graphql",
            content=json.dumps({"query": document, "variables": variables}),
            headers=(self.anonymous if caller is None else caller).headers,
        )
        return Answer(status=response.status_code, body=response.json())

    async def ask(
        self, document: str, *, caller: Caller | None = None, **variables: object
    ) -> Json:
        """The data; a failure of the test where there is any error. Refusals are data."""
        return (await self.send(document, caller=caller, **variables)).data

    async def rows(self, sql: str, *arguments: object) -> list[Json]:
        """What the database holds."""
        return [dict(row) for row in await self.resources.pool.fetch(sql, arguments)]

    async def another_organization(self) -> Tenant:
        """Another organization than the test's own."""
        return Tenant(await an_organization(self.resources), self._tokens)


async def an_organization(resources: Resources) -> Organization:
    """A new organization, with nothing in it, and nothing in its log of events."""
    organization = await create_organization(
        resources, slug=f"practice-{next(_numbers)}", name="A Practice"
    )
    assert isinstance(organization, Organization), organization
    await resources.pool.execute("DELETE FROM event WHERE organization_id = $1", [organization.id])
    return organization


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The application, running in process on a migrated database."""

    http: httpx.AsyncClient
    resources: Resources
    clock: Clock

    async def api(self) -> Api:
        """The application as an organization of its own sees it; its clock reads `NOW`."""
        self.clock.set(NOW)
        return Api(self.http, self.resources, await an_organization(self.resources), self.clock)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """The application with these settings."""
    clock = Clock()
    application = create_app(settings, clock=clock, real_clock=clock)
    async with (
        open_resources(settings, clock=clock, real_clock=clock) as resources,
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://api.test"
        ) as http,
    ):
        yield Running(http=http, resources=resources, clock=clock)


# ---------------------------------------------------------------- values


def instant(when: datetime | str) -> datetime:
    """The instant itself, or what `2026-01-12T09:00Z` says."""
    return datetime.fromisoformat(when) if isinstance(when, str) else when


def key_in(node_id: str) -> UUID:
    """The key that an opaque id holds, to look into the database with."""
    found = read_global_id(node_id)
    assert found is not None, node_id
    return found[1]


def unknown(type_name: str) -> str:
    """A well-formed id of nothing."""
    return str(global_id(type_name, UUID(int=7)))


def weekly(start: str, end: str, days: Iterable[str] = WEEKDAYS, **effect: str) -> list[Json]:
    """The same range on each of these days."""
    return [{"weekday": day, "start": start, "end": end, **effect} for day in days]


# ---------------------------------------------------------------- builders

PROVIDER_FIELDS: Final = """
    fragment ProviderFields on Provider {
        id name timeZone subject email phone serviceDurationMinutes bufferMinutes slotIntervalMinutes minNoticeMinutes
        maxAdvanceBookingDays
        cancellationPolicy {
            freeUntilMinutesBefore lateCancellation lateFee { amountMinor currency } lateFeePercent
        }
        weeklyHours { id weekday start end effectiveFrom effectiveUntil }
        breaks { id weekday start end effectiveFrom effectiveUntil }
    }
"""

REFUSALS: Final = """
    ... on UserError { code message }
    ... on InvalidInputError { field }
"""

CREATE_PROVIDER: Final = f"""
    mutation ($input: CreateProviderInput!) {{
        answer: createProvider(input: $input) {{ __typename ...ProviderFields {REFUSALS} }}
    }} {PROVIDER_FIELDS}
"""

SERVICE_FIELDS: Final = """
    fragment ServiceFields on Service {
        id name durationMinutes bufferBeforeMinutes bufferAfterMinutes slotIntervalMinutes minNoticeMinutes
        maxAdvanceBookingDays price { amountMinor currency }
        cancellationPolicy {
            freeUntilMinutesBefore lateCancellation lateFee { amountMinor currency } lateFeePercent
        }
        providers { id }
    }
"""

CREATE_SERVICE: Final = f"""
    mutation ($input: CreateServiceInput!) {{
        answer: createService(input: $input) {{ __typename ...ServiceFields {REFUSALS} }}
    }} {SERVICE_FIELDS}
"""

RESOURCE_FIELDS: Final = """
    fragment ResourceFields on Resource {
        id name kind timeZone units alwaysOpen isArchived externalId
        weeklyHours { weekday start end effectiveFrom effectiveUntil }
        breaks { weekday start end effectiveFrom effectiveUntil }
        exceptions(from: "2026-01-01", to: "2026-12-31") { date isBlocked start end reason }
    }
"""

CREATE_RESOURCE: Final = f"""
    mutation ($input: CreateResourceInput!) {{
        answer: createResource(input: $input) {{ __typename ...ResourceFields {REFUSALS} }}
    }} {RESOURCE_FIELDS}
"""

APPOINTMENT_FIELDS: Final = """
    fragment AppointmentFields on Appointment {
        id status startsAt endsAt customerTimeZone localStart notes version createdAt
        contact { name email phone locale } customer { id name email phone timeZone locale }
        provider { id } service { id }
    }
"""

BOOK: Final = f"""
    mutation ($input: BookAppointmentInput!) {{
        answer: bookAppointment(input: $input) {{
            __typename
            ... on BookingConfirmation {{ manageToken appointment {{ ...AppointmentFields }} }}
            ... on SlotUnavailableError {{ reasons alternatives {{ providerId startsAt endsAt localStart }} }}
            ... on BookingLimitReachedError {{ limit }}
            {REFUSALS}
        }}
    }} {APPOINTMENT_FIELDS}
"""

_TIME_OFF: Final = """
    __typename
    ... on TimeOff { id from until reason provider { id } resource { id } }
    ... on UserError { code message }
"""
_FIELD: Final = "... on InvalidInputError { field }"
ADD_TIME_OFF: Final = f"mutation ($input: AddTimeOffInput!) {{ answer: addTimeOff(input: $input) {{ {_TIME_OFF} {_FIELD} }} }}"
UPDATE_TIME_OFF: Final = (
    "mutation ($input: UpdateTimeOffInput!) "
    f"{{ answer: updateTimeOff(input: $input) {{ {_TIME_OFF} {_FIELD} }} }}"
)
REMOVE_TIME_OFF: Final = (
    "mutation ($input: RemoveTimeOffInput!) "
    f"{{ answer: removeTimeOff(input: $input) {{ {_TIME_OFF} }} }}"
)

SET_BUSY_TIMES: Final = f"""
    mutation ($input: SetBusyTimesInput!) {{
        answer: setBusyTimes(input: $input) {{ __typename ... on BusySource {{ id name }} {REFUSALS} }}
    }}
"""

EXPLAIN: Final = """
    query ($providerId: ID!, $startsAt: DateTime!, $serviceId: ID) {
        explainTime(providerId: $providerId, startsAt: $startsAt, serviceId: $serviceId) { bookable reasons }
    }
"""

LISTING: Final = """
    query ($id: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone, $serviceId: ID) {
        provider(id: $id) {
            availability(from: $from, to: $to, timeZone: $timeZone, serviceId: $serviceId) {
                __typename
                ... on Availability {
                    timeZone durationMinutes days { date slotCount startTimes slots { startsAt endsAt localStart } }
                    slots { startsAt }
                }
                ... on UserError { code message }
                ... on InvalidInputError { field }
            }
        }
    }
"""


def made(answer: Json, type_name: str) -> Json:
    """The answer, which is of this type."""
    assert answer["__typename"] == type_name, answer
    return answer


async def a_provider(api: Api, *, of: Tenant | None = None, **changes: object) -> Json:
    """A provider who works 09:00–17:00 UTC every day, an hour a visit, without notice; but for the
    changes.
    """
    number = next(_numbers)
    values: Json = {
        "name": f"Provider {number}",
        "timeZone": "UTC",
        "serviceDurationMinutes": 60,
        "weeklyHours": weekly("09:00", "17:00"),
        "subject": f"provider-{number}",
    }
    data = await api.ask(CREATE_PROVIDER, caller=(of or api).admin, input=values | changes)
    return made(data["answer"], "Provider")


async def a_service(
    api: Api, *providers: Json, of: Tenant | None = None, **changes: object
) -> Json:
    """A service of 30 minutes that these providers offer, by the provider's own rules; but for the
    changes.
    """
    values: Json = {
        "name": f"Service {next(_numbers)}",
        "providerIds": [provider["id"] for provider in providers],
        "durationMinutes": 30,
    }
    data = await api.ask(CREATE_SERVICE, caller=(of or api).admin, input=values | changes)
    return made(data["answer"], "Service")


async def a_resource(api: Api, *, of: Tenant | None = None, **changes: object) -> Json:
    """A room, one, that is always open; but for the changes."""
    values: Json = {"name": f"Room {next(_numbers)}", "kind": "room", "timeZone": "UTC"}
    data = await api.ask(CREATE_RESOURCE, caller=(of or api).admin, input=values | changes)
    return made(data["answer"], "Resource")


async def time_off(
    api: Api, owner: Mapping[str, Any], start: str, end: str, **changes: object
) -> Json:
    """Time off of a provider or a resource, from a reading until a reading."""
    kind, _ = read_global_id(owner["id"]) or ("", None)
    values = {f"{kind.lower()}Id": owner["id"], "from": start, "until": end, **changes}
    data = await api.ask(ADD_TIME_OFF, caller=api.admin, input=values)
    return made(data["answer"], "TimeOff")


async def busy(
    api: Api,
    owner: Mapping[str, Any],
    source: str = "Phone",
    times: Iterable[tuple[datetime | str, datetime | str]] = (),
    *,
    first: datetime | str = NOW,
    to: datetime | str = NOW + timedelta(days=30),
    caller: Caller | None = None,
) -> Json:
    """Busy times that are set: their source."""
    kind, _ = read_global_id(owner["id"]) or ("", None)
    values = {
        f"{kind.lower()}Id": owner["id"],
        "source": source,
        "from": instant(first).isoformat(),
        "to": instant(to).isoformat(),
        "busy": [
            {"startsAt": instant(start).isoformat(), "endsAt": instant(end).isoformat()}
            for start, end in times
        ],
    }
    answer = await api.ask(SET_BUSY_TIMES, caller=caller or api.admin, input=values)
    return made(answer["answer"], "BusySource")


def a_booking(provider: Mapping[str, Any], starts_at: datetime | str, **changes: object) -> Json:
    """The input of a guest's booking, with a key of its own; but for the changes."""
    number = next(_numbers)
    return {
        "providerId": provider["id"],
        "startsAt": instant(starts_at).isoformat(),
        "customer": {"name": f"Guest {number}", "email": f"guest-{number}@example.com"},
        "customerTimeZone": "Europe/Berlin",
        "idempotencyKey": f"key-{number}",
        **changes,
    }


async def book(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **changes: object,
) -> Json:
    """Try to book; the answer, of any type."""
    data = await api.ask(BOOK, caller=caller, input=a_booking(provider, starts_at, **changes))
    answer: Json = data["answer"]
    return answer


async def an_appointment(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **changes: object,
) -> Json:
    """A booking that succeeds: its confirmation."""
    return made(
        await book(api, provider, starts_at, caller=caller, **changes), "BookingConfirmation"
    )


async def listed(
    api: Api,
    provider: Mapping[str, Any],
    first: date | str = TODAY,
    last: date | str | None = None,
    *,
    caller: Caller | None = None,
    **asked: object,
) -> list[str]:
    """The starts that are listed on these dates, in order."""
    days = {"from": str(first), "to": str(last or first)}
    data = await api.ask(LISTING, caller=caller, id=provider["id"], **days, **asked)
    found = made(data["provider"]["availability"], "Availability")
    return [slot["startsAt"] for slot in found["slots"]]


async def reasons(
    api: Api,
    provider: Mapping[str, Any],
    starts_at: datetime | str,
    *,
    caller: Caller | None = None,
    **asked: object,
) -> list[str]:
    """What `explainTime` says against this start; nothing where it can be booked."""
    when = instant(starts_at).isoformat()
    said = (
        await api.ask(EXPLAIN, caller=caller, providerId=provider["id"], startsAt=when, **asked)
    )["explainTime"]
    assert said["bookable"] == (not said["reasons"])
    found: list[str] = said["reasons"]
    return found


def utc(day: str, *times: str) -> list[str]:
    """Instants of one UTC date as the API writes them: `utc("2026-01-12", "09:00")`."""
    return [f"{day}T{time}:00Z" for time in times]


def subset(values: Mapping[str, Any], names: Sequence[str]) -> Json:
    """These entries alone."""
    return {name: values[name] for name in names}


async def blocked_by(api: Api, holder: Transaction) -> None:
    """Until another transaction waits for what this one holds."""
    if api.resources.pool.is_distributed:
        own, waiting = (
            "citus_backend_gpid()",
            "SELECT FROM citus_lock_waits WHERE blocking_gpid = $1",
        )
    else:
        own = "pg_backend_pid()"
        waiting = "SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"
    [[holds]] = await holder.fetch(f"SELECT {own}", [])
    async with asyncio.timeout(10):
        while not await api.rows(waiting, holds):  # noqa: ASYNC110
            await asyncio.sleep(0)  # PostgreSQL tells nobody that a lock is waited for


async def blocked(api: Api, count: int = 1) -> None:
    """Until so many statements wait for what transactions of this database hold."""
    waiting = (
        "SELECT DISTINCT waiting_gpid FROM citus_lock_waits"
        if api.resources.pool.is_distributed
        else "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    async with asyncio.timeout(20):
        while len(await api.rows(waiting)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)
