"""GraphQL on the wire: HTTP, server-sent events and WebSockets, their limits and their errors.

Knows the protocols and graphql-core, but nothing of appointments, contexts or viewers.
"""

from app.api.execution.limits import Limits
from app.api.transport.documents import UnfitDocumentsError, read_list
from app.api.transport.endpoint import GraphQLEndpoint
from app.api.transport.http import SendsWhole
from app.api.transport.requests import (
    CURRENT_REQUEST_ID,
    Credentials,
    Expiring,
    RequestInfo,
    request_id_of,
)
from app.api.transport.watch import Done, Watch

__all__ = [
    "CURRENT_REQUEST_ID",
    "Credentials",
    "Done",
    "Expiring",
    "GraphQLEndpoint",
    "Limits",
    "RequestInfo",
    "SendsWhole",
    "UnfitDocumentsError",
    "Watch",
    "read_list",
    "request_id_of",
]
