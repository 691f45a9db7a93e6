"""Subscribers that leave when their test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import date
from typing import TypeAlias

import pytest

from app.core.ids import ServiceId
from app.usecases.events.watch_availability import (
    ServiceWatchForm,
    WatchForm,
    watch_availability,
    watch_service,
)
from app.usecases.resources import Resources
from tests.builders import TODAY, Api, Json, key_in
from tests.integration.live.subscriber import Subscriber, provider_id

Watching: TypeAlias = Callable[..., Subscriber]


@pytest.fixture
async def watching(api: Api) -> AsyncIterator[Watching]:
    """Subscribes: `watching(resources, provider, …)`, today alone unless dates are given."""
    async with AsyncExitStack() as stack:

        def subscribe(
            resources: Resources,
            *providers: Json,
            first: date = TODAY,
            last: date | None = None,
            time_zone: str | None = None,
            service: Json | None = None,
        ) -> Subscriber:
            form = WatchForm(
                provider_ids=[provider_id(provider) for provider in providers],
                service_id=None if service is None else ServiceId(key_in(service["id"])),
                first=first,
                last=last or first,
                time_zone=time_zone,
            )
            subscriber = Subscriber(watch_availability(resources, api.organization.id, form))
            stack.push_async_callback(subscriber.leave)
            return subscriber

        yield subscribe


@pytest.fixture
async def watching_service(api: Api) -> AsyncIterator[Watching]:
    """Subscribes: `watching_service(resources, service, named, …)`, today in UTC unless dates and a
    zone are given.
    """
    async with AsyncExitStack() as stack:

        def subscribe(
            resources: Resources,
            service: Json,
            *named: Json,
            first: date = TODAY,
            last: date | None = None,
            time_zone: str = "UTC",
            seats: int = 1,
        ) -> Subscriber:
            form = ServiceWatchForm(
                service_id=ServiceId(key_in(service["id"])),
                named=tuple(provider_id(provider) for provider in named),
                first=first,
                last=last or first,
                time_zone=time_zone,
                seats=seats,
            )
            subscriber = Subscriber(watch_service(resources, api.organization.id, form))
            stack.push_async_callback(subscriber.leave)
            return subscriber

        yield subscribe
