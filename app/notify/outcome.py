"""The outcome of an attempt to send. A closed set of values, and no detail holds personal data: all
may be stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The next hop took responsibility. Its own name for the message, where it gave one."""

    provider_message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryFailure:
    """Not sent, and trying again later may help: a 4xx reply, the network, or our own
    configuration.
    """

    detail: str
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PermanentFailure:
    """Not sent, and trying again would fail the same way: the mailbox or the number refuses."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may have been sent, or not: the answer was lost. Sending it again may duplicate it: a
    duplicate letter has the same Message-ID, a text message is looked up at the gateway.
    """

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverReceived:
    """The gateway was asked and has no such message: sending is safe."""


Outcome: TypeAlias = Sent | TemporaryFailure | PermanentFailure | Unknown
SmsFate: TypeAlias = Sent | PermanentFailure | NeverReceived | Unknown
