"""Wiring: opens the resources of the use cases in order, and closes them in reverse. Every process
does so once.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app.admission.rates import Rates
from app.api.words.event_messages import event_message
from app.api.words.relay import global_id
from app.busy_feeds.readers import Readers
from app.core.changes import RulesChanged
from app.free_times.accelerator import make_accelerator
from app.free_times.connection import open_cache, open_redis
from app.identity.access import AccessTokens, TokenRules
from app.identity.calendar import CalendarTokens
from app.identity.hold import HoldTokens
from app.identity.jwks import open_key_set
from app.identity.keyed_hashes import KeyedHashes
from app.identity.manage import ManageTokens
from app.identity.revocations import Revocations
from app.identity.sealed import Seal
from app.identity.unsubscribe import UnsubscribeTokens
from app.jobs.queue import Waker
from app.jobs.schedule import CRON_JOBS, FEED_JOBS, MESSAGE_JOBS
from app.live.feed import Feed, Sources
from app.live.pace import Pace
from app.notify.email import SmtpSettings, TlsMode
from app.notify.senders import Senders, open_senders
from app.notify.sms import TwilioSettings
from app.outgoing.client import Outgoing
from app.process.clock import system_clock
from app.store.ids import new_id
from app.store.pool import create_pool
from app.store.side_by_side import Commits, Looks
from app.usecases.booking.limit_guests import BookingLimits
from app.usecases.events.watch_appointments import read_history
from app.usecases.events.watch_availability import read_days
from app.usecases.events.watch_practice import read_edits
from app.usecases.messages.messaging import Messaging
from app.usecases.resources import Resources
from app.usecases.upkeep.movable_clock import TestClock
from app.usecases.upkeep.purge import Retention
from app.usecases.webhooks.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from app.core.ids import AppointmentId, OrganizationId, OwnerId
    from app.free_times.accelerator import Accelerator
    from app.redis_client import RedisClient
    from app.redis_cluster import ClusterClient
    from app.settings import Settings
    from app.store.pool import Pool
    from app.usecases.resources import Clock

REDIS_TIMEOUT_SECONDS: Final = 0.5
"""Redis is an accelerator: after this wait, continuing without it is faster."""


@asynccontextmanager
async def open_resources(
    settings: Settings, *, clock: Clock = system_clock, real_clock: Clock = system_clock
) -> AsyncIterator[Resources]:
    """Connect to PostgreSQL (raises where it can't) and prepare the rest; Redis is connected to
    when first used.

    `clock` decides over appointments, `real_clock` over tokens and leases. With a test clock, that
    one takes the place of `clock`.
    """
    pool = await create_pool(
        settings.database_url,
        size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
    )
    waker = Waker(settings.redis_url, real_clock=system_clock)
    test_clock: TestClock | None = None
    if settings.test_clock:
        clock = test_clock = TestClock(
            pool, real_clock, partial(waker.wake, [job.name for job in CRON_JOBS])
        )
        await test_clock.follow()
    redis = open_redis(settings.redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
    cache: RedisClient | ClusterClient = redis
    if settings.cache_url not in {None, settings.redis_url}:
        cache = await open_cache(settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
    # At most half of the connections compute free times: the others are always left to bookings.
    accelerator = make_accelerator(
        cache, real_clock=system_clock, computations=max(1, settings.pool_size // 2)
    )
    feed = make_feed(
        pool, redis, accelerator, clock=clock, readings_at_once=max(1, settings.pool_size // 4)
    )
    keys = {key.id: key.secret for key in settings.manage_keys}
    messaging = make_messaging(settings, keys, wake=partial(waker.wake, MESSAGE_JOBS))
    access_tokens = _access_tokens(settings)
    rates = Rates(cache)
    outgoing = Outgoing(settings.outgoing_networks)
    feed_readers = Readers()
    try:
        yield Resources(
            pool=pool,
            looks=Looks(pool),
            commits=Commits(pool),
            redis=redis,
            cache=cache,
            accelerator=accelerator,
            feed=feed,
            clock=clock,
            real_clock=real_clock,
            new_id=new_id,
            access_tokens=access_tokens,
            manage_tokens=ManageTokens(keys),
            hold_tokens=HoldTokens(keys),
            calendar_tokens=CalendarTokens(keys),
            revocations=Revocations(),
            hashes=KeyedHashes(settings.hash_secret.encode()),
            default_organization=settings.default_organization,
            hold_lasts=timedelta(minutes=settings.hold_minutes),
            messaging=messaging,
            hooks=Hooks(seal=Seal(keys), message=event_message, chance=random.random),
            outgoing=outgoing,
            feed_readers=feed_readers,
            wake_feed_readers=partial(waker.wake, FEED_JOBS),
            test_clock=test_clock,
            rates=rates,
            booking_limits=BookingLimits(
                per_contact=settings.limits.guest_bookings_per_contact,
                per_network=settings.limits.guest_bookings_per_address,
                made_per_network=settings.limits.guest_bookings_per_address_per_day,
                per_customer=settings.limits.customer_bookings,
            ),
            retention=Retention(
                keys=timedelta(hours=settings.retention.keys_hours),
                holds=timedelta(days=settings.retention.holds_days),
                messages=timedelta(days=settings.retention.messages_days),
                events=timedelta(days=settings.retention.events_days),
                erased_history=timedelta(days=settings.retention.erased_history_days),
            ),
        )
    finally:
        await messaging.senders.aclose()
        await feed_readers.close()
        await outgoing.close()
        await waker.aclose()
        await feed.close()
        await accelerator.close()
        await access_tokens.close()
        await rates.close()
        await cache.aclose()
        await redis.aclose()
        await pool.close()


def make_feed(
    pool: Pool,
    redis: RedisClient,
    accelerator: Accelerator,
    *,
    clock: Clock,
    readings_at_once: int,
    pace: Pace | None = None,
) -> Feed:
    """A feed that reads PostgreSQL and invalidates cached times that changed without an event. On
    the same Redis, it announces together with the cache.
    """
    shared = accelerator.shared

    def forget(organization_id: OrganizationId, ids: Sequence[OwnerId]) -> None:
        change = RulesChanged(organization_id=organization_id, ids=tuple(ids))
        accelerator.tasks.start(shared.forget([change]))

    sources = Sources(
        read=partial(read_days, pool),
        read_history=partial(read_history, pool),
        read_edits=partial(read_edits, pool),
        repaired=forget,
    )
    return Feed(
        redis,
        sources,
        clock=clock,
        readings_at_once=readings_at_once,
        pace=pace,
        announcer=shared.announcer if shared.redis is redis else None,
    )


def make_messaging(
    settings: Settings, keys: Mapping[str, str], *, wake: Callable[[], None]
) -> Messaging:
    """How this deployment sends messages. Nothing connects before the first message."""
    mail, gateway, public_url = settings.mail_server, settings.text_gateway, settings.public_url
    return Messaging(
        senders=make_senders(settings),
        manage_tokens=ManageTokens(keys),
        unsubscribe_tokens=UnsubscribeTokens(keys),
        from_address=None if mail is None else mail.from_address,
        manage_link=_manage_link(settings),
        public_url=public_url,
        gateway_token=None if gateway is None else gateway.auth_token,
        wake=wake,
        daily_limit=settings.limits.messages_per_destination_per_day,
        daily_limit_of_network=settings.limits.messages_per_address_per_day,
    )


def make_senders(settings: Settings) -> Senders:
    """The senders that the settings configure."""
    mail, gateway = settings.mail_server, settings.text_gateway
    smtp = twilio = None
    if mail is not None:
        smtp = SmtpSettings(
            host=mail.host,
            port=mail.port,
            tls=TlsMode(mail.tls),
            username=mail.username,
            password=mail.password,
            from_address=mail.from_address,
            max_connections=settings.smtp_connections,
        )
    if gateway is not None:
        key_sid, key_secret = gateway.api_key or (None, None)
        is_service = gateway.sender.startswith("MG")
        twilio = TwilioSettings(
            account_sid=gateway.account_sid,
            auth_token=gateway.auth_token,
            api_key_sid=key_sid,
            api_key_secret=key_secret,
            from_number=None if is_service else gateway.sender,
            messaging_service_sid=gateway.sender if is_service else None,
            base_url=gateway.base_url,
        )
    return open_senders(smtp=smtp, twilio=twilio, log_the_rest=settings.log_messages)


def _manage_link(settings: Settings) -> Callable[[AppointmentId, str], str] | None:
    template = settings.manage_url
    if template is None and settings.booking_page and settings.public_url is not None:
        template = f"{settings.public_url}/manage#appointment={{appointment}}&token={{token}}"
    if template is None:
        return None

    def link(appointment_id: AppointmentId, token: str) -> str:
        name = quote(str(global_id("Appointment", appointment_id)), safe="")
        return template.replace("{token}", quote(token, safe="")).replace("{appointment}", name)

    return link


def _access_tokens(settings: Settings) -> AccessTokens:
    """Access tokens, always judged by the machine's clock, as their issuer uses no other."""
    tokens = settings.tokens
    return AccessTokens(
        [
            secret
            for secret in (settings.token_secret, tokens.previous_secret)
            if secret is not None
        ],
        clock=system_clock,
        keys=None if tokens.jwks_url is None else open_key_set(tokens.jwks_url),
        rules=TokenRules(
            audience=tokens.audience,
            issuer=tokens.issuer,
            leeway=timedelta(seconds=tokens.leeway_seconds),
        ),
    )
