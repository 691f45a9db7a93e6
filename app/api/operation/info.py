"""The `info` of our resolvers: Strawberry's, with our context."""

from strawberry.types import Info as StrawberryInfo

from app.api.operation.context import Context

Info = StrawberryInfo[Context, None]
