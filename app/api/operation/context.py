"""The context that the resolvers of one operation share. There is a new one for every operation and
every event of a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.operation.loaders import Loaders
from app.core.sentences import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from app.core.viewer import Viewer
    from app.usecases.resources import Resources


class Context:
    """The viewer and their language, the use cases' resources, and the loaders that batch the
    operation's look-ups.
    """

    __slots__ = ("language", "loaders", "resources", "viewer")

    def __init__(
        self, resources: Resources, viewer: Viewer, language: str = DEFAULT_LANGUAGE
    ) -> None:
        self.resources = resources
        self.viewer = viewer
        self.language = language
        self.loaders = Loaders(resources, viewer.organization_id)

    def forget(self) -> None:
        """Replace the loaders, because their cached data may be outdated."""
        self.loaders = Loaders(self.resources, self.viewer.organization_id)
