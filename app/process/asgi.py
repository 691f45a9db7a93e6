"""The API's composition root: settings in, a Starlette application out. Routes, middleware,
lifespan, and nothing else.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware

from app.api.edge.calendars import calendar_routes
from app.api.edge.callbacks import callback_routes
from app.api.edge.compression import Compression
from app.api.edge.cors import Cors
from app.api.edge.disconnects import Disconnects
from app.api.edge.headers import SecureHeaders, secure_headers
from app.api.edge.health import health_routes
from app.api.edge.identify import caller_of, viewer_of
from app.api.edge.kept_answers import KeptAnswers
from app.api.edge.proxies import TrustedProxies
from app.api.edge.straight import Straight
from app.api.edge.throttle import Throttle
from app.api.edge.watching import watch_with
from app.api.graph.schema import build_schema
from app.api.operation.context import Context
from app.api.transport import (
    Credentials,
    GraphQLEndpoint,
    Limits,
    RequestInfo,
    UnfitDocumentsError,
    read_list,
)
from app.cache.documents import RegisteredDocuments
from app.identity.jwks import KeysUnavailableError
from app.live.feed import TooManySubscribersError
from app.process.clock import system_clock
from app.process.connections import Connections
from app.process.gauges import of_process, pulse
from app.process.wiring import open_resources
from app.settings import SettingsError
from app.store.pool import DatabaseUnavailableError
from app.telemetry import metrics
from app.telemetry.tracing import traced
from app.usecases.listing.look_ahead import TooMuchToDoError
from app.web import pages
from app.web.mailbox import mailbox_routes
from app.web.unsubscribe import unsubscribe_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from app.core.viewer import Viewer
    from app.process.shutdown import Leaving
    from app.settings import Settings
    from app.usecases.resources import Clock, Resources

CORS_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "Slotwright-Organization",
    "X-Request-Id",
    "Apollo-Require-Preflight",
    "ApolloGraphQL-Client-Name",
    "ApolloGraphQL-Client-Version",
    "Idempotency-Key",
    "Traceparent",
    "Tracestate",
    "X-Apollo-Operation-Name",
)
"""What pages of other origins may send: ours, and what usual GraphQL clients and tracers add."""

GRAPHQL: Final = ("/graphql", "/graphql/")
"""The paths of the endpoint."""


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    real_clock: Clock = system_clock,
    leaving: Leaving | None = None,
) -> Starlette:
    """The application; it connects when it starts, and not before. The clocks are those of
    `open_resources`.

    `leaving` handles the shutdown where the process belongs to a server. Raises SettingsError for a
    list of documents that can't be used.
    """
    opened: list[Resources] = []
    throttles: list[Throttle] = []

    def resources_of(_request: Request) -> Resources:
        return opened[0]

    async def identify(credentials: Credentials) -> Viewer:
        if opened[0].test_clock is not None:
            await opened[0].test_clock.follow()
        return await viewer_of(opened[0], credentials)

    def make_context(viewer: Viewer, info: RequestInfo) -> Context:
        return Context(opened[0], viewer, info.language)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, object]]:
        async with (
            open_resources(settings, clock=clock, real_clock=real_clock) as resources,
            pulse([of_process(resources), measure_connections]),
        ):
            opened.append(resources)
            if settings.limits.rate_limits:
                throttles.append(throttle_of(resources, settings))
            try:
                with (
                    traced("api", wanted=settings.watch.traces),
                    nullcontext() if leaving is None else leaving.watched(endpoint.close_all),
                ):
                    yield Connections.of_this_process(settings).state
            finally:
                await endpoint.close_all(
                    settings.leave.finishing_seconds if leaving is None else leaving.seconds_left
                )
                throttles.clear()
                opened.clear()

    async def measure_connections() -> None:
        metrics.SOCKETS.set(endpoint.open_sockets)
        metrics.STREAMS.set(endpoint.open_streams)

    headers = secure_headers(settings.hsts_seconds)
    kept = KeptAnswers(lambda: opened[0])
    try:
        endpoint = GraphQLEndpoint(
            build_schema(plain=settings.plain_executor),
            identify=identify,
            make_context=make_context,
            limits=Limits(
                sockets_per_address=settings.limits.sockets_per_address,
                subscriptions_per_caller=settings.limits.subscriptions_per_caller,
                body_seconds=settings.connections.body_seconds,
                send_seconds=settings.connections.unread_seconds,
                answer_bytes=settings.limits.answer_kib * 1024,
            ),
            plain=settings.plain_executor,
            headers=headers,
            find_known=None if settings.plain_executor else kept.find,
            keep_known=None if settings.plain_executor else kept.keep,
            ide=pages.graphiql_page if settings.graphiql else None,
            introspection=settings.introspection,
            name_caller=caller_of,
            shared=RegisteredDocuments(lambda: opened[0].cache),
            listed=None if settings.documents is None else read_list(Path(settings.documents)),
            clock=real_clock,
            unavailable=(
                DatabaseUnavailableError,
                KeysUnavailableError,
                TooMuchToDoError,
                TooManySubscribersError,
            ),
            watch=watch_with(
                lambda: throttles[0] if throttles else None, logs_all=settings.watch.log_operations
            ),
        )
    except UnfitDocumentsError as unfit:
        raise SettingsError(f"SLOTWRIGHT_DOCUMENTS: {unfit}") from unfit
    cors = Middleware(
        Cors,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=[*CORS_HEADERS, *settings.cors_headers],
        expose_headers=["X-Request-Id", "Retry-After"],
        max_age=86_400,
    )
    hops = settings.limits.trusted_hops
    proxies = [Middleware(TrustedProxies, hops=hops)] if hops else []
    of_all = [*proxies, *([cors] if settings.cors_origins else [])]
    booking = pages.booking_routes() if settings.booking_page else []
    manage_url = settings.manage_url or (pages.MANAGE if settings.booking_page else None)
    desk = pages.desk_routes(manage_url) if settings.desk else []
    mailbox = mailbox_routes(Path(settings.mailbox)) if settings.mailbox else []
    application = Starlette(
        routes=[
            *(route for path in GRAPHQL for route in endpoint.routes(path)),
            *health_routes(
                resources_of, is_leaving=lambda: leaving is not None and leaving.has_begun
            ),
            *callback_routes(resources_of),
            *unsubscribe_routes(resources_of),
            *calendar_routes(
                resources_of,
                throttle_of=lambda: throttles[0] if throttles else None,
                unavailable=(DatabaseUnavailableError,),
            ),
            *pages.routes(),
            *booking,
            *desk,
            *mailbox,
        ],
        middleware=[
            Middleware(SecureHeaders, headers=headers),
            *of_all,
            Middleware(Compression),
            Middleware(Disconnects),
        ],
        lifespan=lifespan,
    )
    operations = endpoint.http
    for each in reversed(of_all):
        operations = each.cls(operations, *each.args, **each.kwargs)
    application.middleware_stack = Straight(
        application.build_middleware_stack(), endpoint=operations, paths=GRAPHQL
    )
    # A redirect would name the scheme of the request to this process, not that of the proxy.
    application.router.redirect_slashes = False
    return application


def throttle_of(resources: Resources, settings: Settings) -> Throttle:
    """The budgets of the settings, counted in the resources' store. One caller's queries leave half
    of the pool to others.
    """
    limits = settings.limits
    return Throttle(
        resources.rates,
        points=limits.points_per_minute,
        guest_bookings=limits.guest_bookings_per_minute,
        queries=max(1, settings.pool_size // 2),
    )
