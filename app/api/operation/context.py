"""The context that the resolvers of one operation share. There is a new one for every operation and
every event of a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from app.api.operation.loaders import Loaders
from app.api.operation.made_of import MadeOf
from app.core.sentences import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.ids import ProviderId
    from app.core.provider import Provider
    from app.core.viewer import Viewer
    from app.usecases.listing.list_availability import Listed, SlotQuestion
    from app.usecases.resources import Resources

Value = TypeVar("Value")


class Context:
    """The viewer and their language, the use cases' resources, and the loaders that batch the
    operation's look-ups.

    It keeps account of what the answer is `made_of`: taking resources or loaders counts as
    something that no stamp vouches for.
    """

    __slots__ = ("_loaders", "_resources", "language", "made_of", "viewer")

    def __init__(
        self, resources: Resources, viewer: Viewer, language: str = DEFAULT_LANGUAGE
    ) -> None:
        self._resources = resources
        self.viewer = viewer
        self.language = language
        self._loaders = Loaders(resources, viewer.organization_id)
        self.made_of = MadeOf()

    @property
    def resources(self) -> Resources:
        """What use cases need."""
        self.made_of.add_anything()
        return self._resources

    @property
    def loaders(self) -> Loaders:
        """Of this operation."""
        self.made_of.add_anything()
        return self._loaders

    async def find_provider(self, provider_id: ProviderId) -> Provider | None:
        """From what is known, where a stamp vouches for it; else by statement."""
        known = await self._loaders.known_provider(provider_id)
        if known is None:
            return await self.loaders.provider.load(provider_id)
        found, stamp = known
        self.made_of.add(provider_id, stamp, until=found.believed_until)
        return found.calendar.provider

    async def resources_of_practice(self) -> Resources:
        """What use cases need that say which providers there are, and what they are like: the
        organization's stamp vouches for that, seen before.
        """
        if self.made_of.is_vouched_for:
            organization_id = self.viewer.organization_id
            stamp = await self._resources.accelerator.shared.stamp_of(organization_id)
            if stamp is None:
                self.made_of.add_anything()
            else:
                self.made_of.add(organization_id, stamp)
        return self._resources

    def availability(
        self, question: SlotQuestion, show: Callable[[Listed], Value]
    ) -> Value | Awaitable[Value]:
        """At once where a known answer is still true, as this operation sees it; else together with
        the questions asked at the same time. `show` translates answers; one operation has one.
        """
        known = self._loaders.known_listing(question)
        if known is None:
            return self._loaders.availability(question, show, self.made_of)
        self.made_of.add_listing(question.provider_id, known)
        return show(known.listing)

    def forget(self) -> None:
        """Replace the loaders, because their cached data may be outdated."""
        self._loaders = Loaders(self._resources, self.viewer.organization_id)
