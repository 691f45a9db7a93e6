"""The allowance of a destination: by example, and whatever comes in whatever order."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.allowance import Told, Turn, counted_address, let_out
from app.core.ids import AppointmentId
from app.core.messages import Channel

GRACE, ALAN = b"grace", b"alan"


def told(appointment: int, time_version: int | None = 1, channel: Channel = Channel.EMAIL) -> Told:
    return Told(
        appointment_id=AppointmentId(UUID(int=appointment)),
        channel=channel,
        time_version=time_version,
    )


def a_turn(about: Told, destination: bytes = GRACE, *, is_resend: bool = False) -> Turn:
    return Turn(destination=destination, about=about, is_resend=is_resend)


@pytest.mark.parametrize(
    "address",
    ["grace.hopper@example.org", "Grace.Hopper@Example.ORG", "gracehopper+1@example.org", "g.r.a.c.e.hopper+a+b@example.org"],
)  # fmt: skip
def test_the_spellings_of_one_mailbox_are_counted_together(address: str) -> None:
    assert counted_address(Channel.EMAIL, address) == "gracehopper@example.org"


def test_a_domain_and_a_phone_are_counted_as_they_are() -> None:
    assert counted_address(Channel.EMAIL, "a@mail.example.org") != counted_address(
        Channel.EMAIL, "a@mailexample.org"
    )
    assert counted_address(Channel.SMS, "+491701234567") == "+491701234567"


def test_a_domain_is_counted_by_its_name_in_dns() -> None:
    in_letters, in_ascii, another = (
        counted_address(Channel.EMAIL, f"kim@{domain}")
        for domain in ("faß.de", "xn--fa-hia.de", "fass.de")
    )
    assert in_letters == in_ascii != another


def test_news_goes_out_until_the_destination_has_had_so_many() -> None:
    turns = [a_turn(told(number)) for number in range(4)] + [a_turn(told(9), ALAN)]
    assert let_out(turns, had={GRACE: 1}, known=(), most=3) == [True, True, False, False, True]
    assert let_out(turns, had={GRACE: 3}, known=(), most=3) == [False, False, False, False, True]
    assert let_out(turns, had={GRACE: 99}, known=(), most=0) == [True] * 5


def test_what_follows_from_news_that_went_out_goes_out() -> None:
    """Reminders of that time and no other, and the cancellation of the appointment whichever time
    it had by then.
    """
    full = {GRACE: 3}
    known = [told(1, 2)]
    for about, goes in (
        (told(1, 2), True),
        (told(1, None), True),
        (told(1, 1), False),
        (told(1, 3), False),
        (told(1, 2, Channel.SMS), False),
        (told(2, None), False),
    ):
        assert let_out([a_turn(about)], had=full, known=known, most=3) == [goes], about


def test_what_was_let_out_a_moment_ago_is_known() -> None:
    turns = [
        a_turn(told(1)),
        a_turn(told(2)),
        a_turn(told(1)),
        a_turn(told(2)),
        a_turn(told(1, None)),
    ]
    assert let_out(turns, had={GRACE: 2}, known=(), most=3) == [True, False, True, False, True]


def test_what_followed_counts_against_the_next_news() -> None:
    turns = [a_turn(told(1)), a_turn(told(2))]
    assert let_out(turns, had={GRACE: 2}, known=[told(1)], most=3) == [True, False]


def test_a_resend_follows_from_nothing() -> None:
    assert let_out([a_turn(told(1), is_resend=True)], had={GRACE: 3}, known=[told(1)], most=3) == [
        False
    ]
    assert let_out([a_turn(told(1), is_resend=True)], had={GRACE: 2}, known=[told(1)], most=3) == [
        True
    ]


times = st.builds(told, st.integers(0, 3), st.sampled_from([None, 1, 2]), st.sampled_from(Channel))
turns_taken = st.lists(
    st.builds(a_turn, times, st.sampled_from([GRACE, ALAN]), is_resend=st.booleans()), max_size=30
)  # fmt: skip


@given(
    turns=turns_taken,
    had=st.dictionaries(st.sampled_from([GRACE, ALAN]), st.integers(0, 5)),
    most=st.integers(1, 5),
)
def test_what_follows_from_nothing_never_exceeds_the_allowance(
    turns: list[Turn], had: dict[bytes, int], most: int
) -> None:
    """Walked one by one: whatever was let out beyond the allowance was about something that had
    been let out before.
    """
    counts = Counter(had)
    about: set[tuple[AppointmentId, Channel, int | None]] = set()
    for turn, goes in zip(turns, let_out(turns, had=had, known=(), most=most), strict=True):
        this = turn.about
        follows = (
            this.appointment_id,
            this.channel,
            this.time_version,
        ) in about and not turn.is_resend
        assert goes == (follows or counts[turn.destination] < most)
        if goes:
            counts[turn.destination] += 1
            about |= {
                (this.appointment_id, this.channel, version)
                for version in (this.time_version, None)
            }
