"""Read a private calendar feed. Its address is the only secret; it lets nobody change anything.

A provider sees the names of their customers and how to reach them; a customer sees with whom,
where, and how to reach the practice. Nobody's notes are in it, and no link that could change
anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from app.core.addresses import phone_text
from app.core.appointment import AppointmentStatus, ManageLink
from app.core.calendar_feed import MOST_ENTRIES, SHOWN_BACK, Entry, SessionEntry
from app.core.location import location_of_visit, reachable
from app.core.zones import local_date, minute_of
from app.identity.manage import GOOD_AFTER_END
from app.notify import plain, wording
from app.notify.feed import Feed, FeedEvent, FeedTag
from app.notify.message import PlaceFacts
from app.notify.render import CalendarWords
from app.store.calendar_feeds import (
    entries_of_customer,
    entries_of_provider,
    entry_of_appointment,
    feed_by_id,
)
from app.store.customers import customers_by_ids
from app.store.locations import locations_by_ids
from app.store.organizations import organization_by_id
from app.store.providers import providers_by_ids
from app.store.services import services_by_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.core.calendar_feed import FeedAddress
    from app.core.ids import (
        CustomerId,
        LocationId,
        OrganizationId,
        ProviderId,
        ServiceId,
    )
    from app.core.location import Location
    from app.core.provider import Organization, Provider, Service
    from app.usecases.resources import Resources

AT_ONCE: Final = 100
"""Entries that are put into words before other requests get their turn: some 5 ms."""

EntryShown = TypeVar("EntryShown", Entry, Entry | SessionEntry)


async def read_calendar_feed(
    resources: Resources, organization_id: OrganizationId, address: FeedAddress
) -> Feed | None:
    """The feed at this address as of now; None where it ended: it was renewed, its owner was erased
    or archived, or the manage link does not open the appointment any more.
    """
    if isinstance(address, ManageLink):
        return await _of_appointment(resources, organization_id, address)
    feed = await feed_by_id(resources.pool, organization_id, address)
    if feed is None:
        return None
    if feed.provider_id is not None:
        return await _of_provider(resources, organization_id, feed.provider_id)
    if feed.customer_id is not None:
        return await _of_customer(resources, organization_id, feed.customer_id)
    raise LookupError(f"the feed is nobody's: {feed.id}")


async def _of_provider(
    resources: Resources, organization_id: OrganizationId, provider_id: ProviderId
) -> Feed | None:
    found = await providers_by_ids(resources.pool, organization_id, [provider_id])
    owner = found[provider_id]
    if owner.is_archived:
        return None
    entries = await entries_of_provider(
        resources.pool,
        organization_id,
        provider_id,
        from_start=resources.clock() - SHOWN_BACK,
        most=MOST_ENTRIES,
    )
    facts = await _facts(resources, organization_id, entries)
    if facts is None:
        return None
    words = CalendarWords(wording.negotiate(owner.locale).language)
    name = f"{owner.name}, {facts.organization.name}"
    show = partial(_event_for_provider, facts=facts, words=words)
    return await _feed(resources, name, owner.time_zone, entries, show)


async def _of_customer(
    resources: Resources, organization_id: OrganizationId, customer_id: CustomerId
) -> Feed | None:
    found = await customers_by_ids(resources.pool, organization_id, [customer_id])
    owner = found[customer_id]
    if owner.is_erased:  # by a program of an earlier version, which leaves the feed
        return None
    entries = await entries_of_customer(
        resources.pool,
        organization_id,
        customer_id,
        from_start=resources.clock() - SHOWN_BACK,
        most=MOST_ENTRIES,
    )
    facts = await _facts(resources, organization_id, entries)
    if facts is None:
        return None
    words = CalendarWords(wording.negotiate(owner.contact.locale).language)
    show = partial(_event_for_customer, facts=facts, words=words)
    return await _feed(resources, facts.organization.name, owner.time_zone, entries, show)


async def _of_appointment(
    resources: Resources, organization_id: OrganizationId, link: ManageLink
) -> Feed | None:
    found = await entry_of_appointment(resources.pool, organization_id, link)
    if found is None:
        return None
    entry, time_zone, locale = found
    if resources.real_clock() > entry.ends_at + GOOD_AFTER_END:
        return None
    facts = await _facts(resources, organization_id, [entry])
    if facts is None:
        return None
    words = CalendarWords(wording.negotiate(locale).language)
    show = partial(_event_for_customer, facts=facts, words=words)
    return await _feed(resources, facts.organization.name, time_zone, [entry], show)


async def _feed(
    resources: Resources,
    name: str,
    time_zone: str,
    entries: Sequence[EntryShown],
    show: Callable[[EntryShown], FeedEvent],
) -> Feed:
    name = plain.one_line(name)
    year = local_date(time_zone, minute_of(resources.clock())).year
    tag = FeedTag(name, time_zone, year)
    events = []
    for number, entry in enumerate(entries, start=1):
        event = show(entry)
        events.append(event)
        tag.add(event)
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return Feed(name=name, time_zone=time_zone, year=year, events=events, tag=str(tag))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the entries of a feed have in common."""

    organization: Organization
    providers: Mapping[ProviderId, Provider]
    services: Mapping[ServiceId, Service]
    locations: Mapping[LocationId, Location]

    def service_name(self, entry: Entry | SessionEntry) -> str | None:
        return None if entry.service_id is None else self.services[entry.service_id].name

    def location(self, entry: Entry | SessionEntry) -> Location | None:
        service = None if entry.service_id is None else self.services[entry.service_id]
        location_id = location_of_visit(service, self.providers[_providers(entry)[0]])
        return None if location_id is None else self.locations.get(location_id)


def _providers(entry: Entry | SessionEntry) -> tuple[ProviderId, ...]:
    """Those whom the feed names, the lead first."""
    return entry.providers if isinstance(entry, Entry) else (entry.lead,)


async def _facts(
    resources: Resources,
    organization_id: OrganizationId,
    entries: Sequence[Entry | SessionEntry],
) -> _Facts | None:
    pool = resources.pool
    organization = await organization_by_id(pool, organization_id)
    if organization is None:
        return None
    provider_ids = {each for entry in entries for each in _providers(entry)}
    service_ids = {entry.service_id for entry in entries if entry.service_id is not None}
    providers = await providers_by_ids(pool, organization_id, list(provider_ids))
    services = await services_by_ids(pool, organization_id, list(service_ids))
    places = {each.location_id for each in providers.values()}
    places |= {each.location_id for each in services.values()}
    location_ids = {each for each in places if each is not None}
    locations = await locations_by_ids(pool, organization_id, location_ids)
    return _Facts(
        organization=organization, providers=providers, services=services, locations=locations
    )


def _event_for_provider(
    entry: Entry | SessionEntry, facts: _Facts, words: CalendarWords
) -> FeedEvent:
    if isinstance(entry, SessionEntry):
        summary = words.session(
            facts.service_name(entry), seats=entry.seats, bookings=entry.bookings
        )
        return _event(entry, facts, summary=summary, details=[])
    contact = (
        ("phone", None if entry.contact_phone is None else phone_text(entry.contact_phone)),
        ("email", entry.contact_email),
    )
    return _event(
        entry,
        facts,
        summary=words.visit(
            facts.service_name(entry), contact=entry.contact_name, provider="", seats=entry.seats
        ),
        details=[words.detail(label, value) for label, value in contact if value is not None],
    )


def _event_for_customer(entry: Entry, facts: _Facts, words: CalendarWords) -> FeedEvent:
    location = facts.location(entry)
    practice = reachable(facts.organization, location)
    phone = None if practice.phone is None else phone_text(practice.phone)
    ways = ", ".join(way for way in (phone, practice.email, practice.url) if way is not None)
    directions = None if location is None else location.directions
    details = (("reach", ways or None), ("directions", directions))
    return _event(
        entry,
        facts,
        summary=words.visit(
            facts.service_name(entry),
            contact=None,
            provider=", ".join(facts.providers[each].name for each in entry.providers),
            seats=entry.seats,
        ),
        details=[words.detail(label, value) for label, value in details if value is not None],
        url=practice.url,
    )


def _event(
    entry: Entry | SessionEntry,
    facts: _Facts,
    *,
    summary: str,
    details: Sequence[str],
    url: str | None = None,
) -> FeedEvent:
    location = facts.location(entry)
    where = None
    if location is not None:
        where = PlaceFacts(name=location.name, address=location.address).where
    return FeedEvent(
        about=entry.id,
        version=entry.version,
        changed_at=entry.changed_at,
        starts_at=entry.starts_at,
        ends_at=entry.ends_at,
        is_cancelled=isinstance(entry, Entry) and entry.status is AppointmentStatus.CANCELLED,
        summary=summary,
        description="\n".join(details) or None,
        location=where,
        url=url,
    )
