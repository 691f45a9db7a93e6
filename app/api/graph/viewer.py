"""The viewer: the caller's identity, as the server sees it."""

import strawberry

from app.api.graph.appointments import Customer
from app.api.graph.providers import Provider
from app.api.operation.info import Info
from app.api.words.enums import Role


@strawberry.type(description="Who the caller is, by their token.")
class Viewer:
    """Maps the core's `Viewer`."""

    role: Role = strawberry.field(description="What the caller is to the organization.")

    @strawberry.field(description="The provider that the caller's token acts for.")
    async def provider(self, info: Info) -> Provider | None:
        """Batched."""
        provider_id = info.context.viewer.provider_id
        found = (
            None if provider_id is None else await info.context.loaders.provider.load(provider_id)
        )
        return None if found is None else Provider.of(found)

    @strawberry.field(description="The caller's customer record; null before their first booking.")
    async def customer(self, info: Info) -> Customer | None:
        """Batched."""
        customer_id = info.context.viewer.customer_id
        found = (
            None if customer_id is None else await info.context.loaders.customer.load(customer_id)
        )
        return None if found is None else Customer.of(found)


@strawberry.type
class ViewerQuery:
    """The root field about the caller."""

    @strawberry.field(description="Who the caller is, by their token.")
    def viewer(self, info: Info) -> Viewer:
        """From the token."""
        return Viewer(role=info.context.viewer.role)
