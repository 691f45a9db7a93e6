"""The schema, put together from the features. `schema.graphql` is printed from it."""

from collections.abc import Callable
from functools import cache
from inspect import isawaitable
from typing import TypeAlias

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.schema.config import StrawberryConfig

from app.api.execution.resolvers import unwrap
from app.api.graph.appointment_lists import AppointmentListQuery
from app.api.graph.appointments import AppointmentMutation, AppointmentQuery
from app.api.graph.availability import AvailabilityQuery
from app.api.graph.busy import BusyMutation
from app.api.graph.calendar_feeds import CalendarFeedMutation
from app.api.graph.clock import ClockMutation
from app.api.graph.corrections import CorrectionMutation
from app.api.graph.customers import CustomerMutation, CustomerQuery
from app.api.graph.events import EventQuery
from app.api.graph.holds import HoldMutation
from app.api.graph.hours import HoursMutation
from app.api.graph.lifecycle import LifecycleMutation
from app.api.graph.locations import LocationMutation
from app.api.graph.nodes import NodeQuery
from app.api.graph.organizations import OrganizationMutation, OrganizationQuery
from app.api.graph.previews import StrandedQuery
from app.api.graph.providers import ProviderMutation, ProviderQuery
from app.api.graph.reminders import ReminderMutation
from app.api.graph.resources import ResourceMutation, ResourceQuery
from app.api.graph.services import ServiceMutation, ServiceQuery
from app.api.graph.session_changes import SessionMutation
from app.api.graph.sessions import SessionQuery
from app.api.graph.subscriptions import Subscription
from app.api.graph.templates import TemplateMutation, TemplateQuery
from app.api.graph.time_off import TimeOffMutation
from app.api.graph.viewer import ViewerQuery
from app.api.graph.webhooks import WebhookMutation, WebhookQuery
from app.api.operation.context import Context
from app.api.words.scalars import SCALARS

Resolver: TypeAlias = Callable[..., object]
"""A resolver as GraphQL calls it: with the source, the info, and the arguments by name. It returns
a value or an awaitable.
"""


@strawberry.type(description="Everything that can be read.")
class Query(
    NodeQuery,
    ViewerQuery,
    OrganizationQuery,
    ProviderQuery,
    ServiceQuery,
    ResourceQuery,
    AvailabilityQuery,
    AppointmentQuery,
    AppointmentListQuery,
    CustomerQuery,
    SessionQuery,
    StrandedQuery,
    TemplateQuery,
    EventQuery,
    WebhookQuery,
):
    """All root fields of queries."""


@strawberry.type(
    description=(
        "What can be changed. Every answer is a success or a refusal; a refusal changed nothing."
    )
)
class Mutation(
    OrganizationMutation,
    LocationMutation,
    ProviderMutation,
    ServiceMutation,
    ResourceMutation,
    HoursMutation,
    TimeOffMutation,
    BusyMutation,
    HoldMutation,
    AppointmentMutation,
    LifecycleMutation,
    CorrectionMutation,
    SessionMutation,
    CustomerMutation,
    ReminderMutation,
    TemplateMutation,
    CalendarFeedMutation,
    WebhookMutation,
    ClockMutation,
):
    """All root fields of mutations."""


def build_schema(*, plain: bool = False) -> strawberry.Schema:
    """The schema; made once a process. `plain` leaves the resolvers as Strawberry makes them."""
    return _plain_schema() if plain else _unwrapped_schema()


@cache
def _plain_schema() -> strawberry.Schema:
    return _forgetful(_schema())


@cache
def _unwrapped_schema() -> strawberry.Schema:
    schema = _schema()
    unwrap(schema._schema)  # noqa: SLF001  Strawberry has no public name for it
    return _forgetful(schema)


def _schema() -> strawberry.Schema:
    config = StrawberryConfig(scalar_map=SCALARS)
    return strawberry.Schema(
        query=Query, mutation=Mutation, subscription=Subscription, config=config
    )


def _forgetful(schema: strawberry.Schema) -> strawberry.Schema:
    """The schema, after each of whose mutations the loaders forget what they hold."""
    mutations = schema._schema.mutation_type  # noqa: SLF001  Strawberry has no public name for it
    for field in mutations.fields.values() if mutations else ():
        if field.resolve is not None:
            field.resolve = _then_forget(field.resolve)
    return schema


def _then_forget(mutation: Resolver) -> Resolver:
    """The mutation, after which the loaders forget what they hold: the fields below it and the
    document's next mutation read fresh data.
    """

    async def mutate(
        source: object, info: GraphQLResolveInfo[Context], **arguments: object
    ) -> object:
        try:
            answer = mutation(source, info, **arguments)
            return await answer if isawaitable(answer) else answer
        finally:
            info.context.forget()

    return mutate
