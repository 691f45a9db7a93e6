"""Receives the gateway's reports on the delivery of text messages. Only requests with its signature
are accepted.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from app.core.ids import MessageLogId, OrganizationId
from app.usecases.messages.record_delivery import Report, record_delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from app.usecases.resources import Resources

MOST_BYTES: Final = 16 * 1024
"""A report has some thirty short fields."""

_STATUS: Final = {
    Report.TAKEN: HTTPStatus.NO_CONTENT,
    Report.MALFORMED: HTTPStatus.BAD_REQUEST,
    Report.FORGED: HTTPStatus.FORBIDDEN,
}


def callback_routes(resources_of: Callable[[Request], Resources]) -> list[BaseRoute]:
    """The one route; every text message that is handed to the gateway names its address."""

    async def sms(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        answer = await record_delivery(
            resources_of(request),
            OrganizationId(request.path_params["organization_id"]),
            MessageLogId(request.path_params["message_id"]),
            body=bytes(body),
            signature=request.headers.get("X-Twilio-Signature", ""),
        )
        return Response(status_code=_STATUS[answer])

    return [Route("/callbacks/sms/{organization_id:uuid}/{message_id:uuid}", sms, methods=["POST"])]
