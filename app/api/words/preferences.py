"""Preferences for messages in GraphQL: the same for customers and providers."""

from typing import Final

from app.api.words.enums import Channel

CHANNELS: Final = (
    "On which channels they want messages; null: by e-mail where there is an "
    "address, else by SMS; empty: on none."
)
CHANNELS_AGAIN: Final = (
    f"{CHANNELS} Naming a channel takes back an earlier opt-out of their address on it."
)


def channels_of(channels: tuple[Channel, ...] | None) -> list[Channel] | None:
    """From the core."""
    return None if channels is None else list(channels)
