"""The schema, put together from the features. `schema.graphql` is printed from it."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from app.api.appointments import AppointmentMutation, AppointmentQuery
from app.api.availability import AvailabilityQuery
from app.api.customers import CustomerMutation
from app.api.holds import HoldMutation
from app.api.hours import HoursMutation
from app.api.lifecycle import LifecycleMutation
from app.api.nodes import NodeQuery
from app.api.providers import ProviderMutation, ProviderQuery
from app.api.scalars import SCALARS
from app.api.services import ServiceMutation
from app.api.subscriptions import Subscription
from app.api.viewer import ViewerQuery


@strawberry.type(description="What can be read.")
class Query(NodeQuery, ViewerQuery, ProviderQuery, AvailabilityQuery, AppointmentQuery):
    """All root fields of queries."""


@strawberry.type(description="What can be changed. Every answer is a success or a refusal; a refusal changed nothing.")
class Mutation(
    ProviderMutation,
    ServiceMutation,
    HoursMutation,
    HoldMutation,
    AppointmentMutation,
    LifecycleMutation,
    CustomerMutation,
):
    """All root fields of mutations."""


def build_schema() -> strawberry.Schema:
    """The schema; made once a process."""
    config = StrawberryConfig(scalar_map=SCALARS)
    return strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription, config=config)
