"""Identify callers: from a request's credentials to a viewer, or an error that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from app.api.words.errors import (
    BadUserInput,
    Forbidden,
    Unauthenticated,
)
from app.core.viewer import Viewer
from app.usecases.callers.identify import (
    NoOrganization,
    NotIdentified,
    OtherOrganization,
    identify,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from app.api.transport import Credentials
    from app.usecases.resources import Resources


async def viewer_of(resources: Resources, credentials: Credentials) -> Viewer:
    """The viewer; raises Unauthenticated, Forbidden or BadUserInput."""
    viewer = await identify(
        resources,
        authorization=credentials.authorization,
        organization=credentials.organization,
        address=credentials.address,
    )
    match viewer:
        case Viewer():
            return viewer
        case NotIdentified():
            raise Unauthenticated(viewer.message)
        case OtherOrganization():
            raise Forbidden(viewer.message)
        case NoOrganization():
            raise BadUserInput(viewer.message)
        case _:
            assert_never(viewer)


def caller_of(viewer: Viewer) -> Hashable | None:
    """A name for the caller that is the same for all of their tokens; None for those who have only
    an address.
    """
    if viewer.manages is not None:
        return viewer.organization_id, viewer.manages.appointment_id
    if viewer.subject is not None:
        return viewer.organization_id, viewer.role, viewer.subject
    return None
