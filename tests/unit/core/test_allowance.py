"""The limit of messages to a destination: by example, and for messages of any kind in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.allowance import NotifiedTime, Turn, Verdict, counted_address, let_out
from app.core.ids import AppointmentId
from app.core.messages import Channel

GRACE, ALAN = b"grace", b"alan"
HERE, THERE = b"here", b"there"


def notified(
    appointment: int, time_version: int | None = 1, channel: Channel = Channel.EMAIL
) -> NotifiedTime:
    return NotifiedTime(
        appointment_id=AppointmentId(UUID(int=appointment)),
        channel=channel,
        time_version=time_version,
    )


def a_turn(
    about: NotifiedTime,
    destination: bytes | None = GRACE,
    *,
    origin: bytes | None = None,
    is_reminder: bool = False,
    is_resend: bool = False,
    by_guest: bool = False,
) -> Turn:
    return Turn(
        destination=destination,
        origin=origin,
        about=about,
        is_reminder=is_reminder,
        is_resend=is_resend,
        by_guest=by_guest,
    )


def judged(
    turns: list[Turn],
    *,
    had: dict[bytes, int] | None = None,
    caused: dict[bytes, int] | None = None,
    known: Iterable[NotifiedTime] = (),
    most: int = 3,
    per_network: int = 0,
) -> list[Verdict]:
    return let_out(
        turns,
        had=had or {},
        caused=caused or {},
        known=known,
        per_destination=most,
        per_network=per_network,
    )


def goes_out(
    turns: list[Turn], *, had: dict[bytes, int], known: Iterable[NotifiedTime] = (), most: int = 3
) -> list[bool]:
    verdicts = judged(turns, had=had, known=known, most=most)
    return [verdict is not Verdict.HELD_BACK for verdict in verdicts]


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
    turns = [a_turn(notified(number)) for number in range(4)] + [a_turn(notified(9), ALAN)]
    assert goes_out(turns, had={GRACE: 1}) == [True, True, False, False, True]
    assert goes_out(turns, had={GRACE: 3}) == [False, False, False, False, True]
    assert goes_out(turns, had={GRACE: 99}, most=0) == [True] * 5


def test_what_follows_from_news_that_went_out_goes_out() -> None:
    """Reminders of that time and no other, and the cancellation of the appointment whichever time
    it had by then.
    """
    full = {GRACE: 3}
    known = [notified(1, 2)]
    for about, goes in (
        (notified(1, 2), True),
        (notified(1, None), True),
        (notified(1, 1), False),
        (notified(1, 3), False),
        (notified(1, 2, Channel.SMS), False),
        (notified(2, None), False),
    ):
        assert goes_out([a_turn(about)], had=full, known=known) == [goes], about


def test_what_was_let_out_a_moment_ago_is_known() -> None:
    turns = [
        a_turn(notified(1)),
        a_turn(notified(2)),
        a_turn(notified(1)),
        a_turn(notified(2)),
        a_turn(notified(1, None)),
    ]
    assert goes_out(turns, had={GRACE: 2}) == [True, False, True, False, True]


def test_what_followed_counts_against_the_next_news() -> None:
    turns = [a_turn(notified(1)), a_turn(notified(2))]
    assert goes_out(turns, had={GRACE: 2}, known=[notified(1)]) == [True, False]


def test_a_resend_follows_from_nothing() -> None:
    assert goes_out([a_turn(notified(1), is_resend=True)], had={GRACE: 3}, known=[notified(1)]) == [
        False
    ]
    assert goes_out([a_turn(notified(1), is_resend=True)], had={GRACE: 2}, known=[notified(1)]) == [
        True
    ]


def test_reminders_of_announced_times_do_not_count_and_others_are_news() -> None:
    reminder = a_turn(notified(1), is_reminder=True)
    assert judged([reminder], had={GRACE: 3}, known=[notified(1)]) == [Verdict.UNCOUNTED]
    assert judged([reminder, a_turn(notified(2))], had={GRACE: 2}, known=[notified(1)]) == [
        Verdict.UNCOUNTED,
        Verdict.COUNTED,
    ]
    assert judged([reminder], had={GRACE: 3}) == [Verdict.HELD_BACK]
    assert judged([reminder], had={GRACE: 2}) == [Verdict.COUNTED]


def test_a_cancellation_by_a_guest_has_no_way_past_the_allowance() -> None:
    """The practice's is sent: nobody should travel to a cancelled appointment."""
    for by_guest, verdict in ((True, Verdict.HELD_BACK), (False, Verdict.COUNTED)):
        cancelled = a_turn(notified(1, None), by_guest=by_guest)
        assert judged([cancelled], had={GRACE: 3}, known=[notified(1)]) == [verdict]
    within = a_turn(notified(1, None), by_guest=True)
    assert judged([within, within], had={GRACE: 2}, known=[notified(1)]) == [
        Verdict.COUNTED,
        Verdict.HELD_BACK,
    ]


def test_a_network_causes_so_many_whatever_addresses_it_gives() -> None:
    turns = [
        a_turn(notified(number), bytes([number]), origin=origin, by_guest=True)
        for number, origin in enumerate((HERE, HERE, THERE, HERE))
    ]
    counted, held_back = Verdict.COUNTED, Verdict.HELD_BACK
    assert judged(turns, per_network=2) == [counted, counted, counted, held_back]
    assert judged(turns, caused={HERE: 1}, per_network=2) == [
        counted,
        held_back,
        counted,
        held_back,
    ]
    assert judged(turns, caused={HERE: 99}, per_network=0) == [counted] * 4
    # Also where destinations are not counted.
    alone = [a_turn(notified(1), None, origin=HERE, by_guest=True)]
    assert judged(alone, caused={HERE: 2}, most=0, per_network=2) == [held_back]


times = st.builds(
    notified, st.integers(0, 3), st.sampled_from([None, 1, 2]), st.sampled_from(Channel)
)
turns_taken = st.lists(
    st.builds(
        a_turn,
        times,
        st.sampled_from([GRACE, ALAN, None]),
        origin=st.sampled_from([HERE, THERE, None]),
        is_reminder=st.booleans(),
        is_resend=st.booleans(),
        by_guest=st.booleans(),
    ),
    max_size=30,
)


@given(
    turns=turns_taken,
    had=st.dictionaries(st.sampled_from([GRACE, ALAN]), st.integers(0, 5)),
    caused=st.dictionaries(st.sampled_from([HERE, THERE]), st.integers(0, 5)),
    most=st.integers(1, 5),
    per_network=st.integers(1, 5),
)
def test_what_follows_from_nothing_never_exceeds_an_allowance(
    turns: list[Turn],
    had: dict[bytes, int],
    caused: dict[bytes, int],
    most: int,
    per_network: int,
) -> None:
    """Walked one by one: whatever was let out beyond an allowance was a reminder, or a change by the
    practice, about something that had been let out before.
    """
    to, by = Counter(had), Counter(caused)
    about: set[tuple[AppointmentId, Channel, int | None]] = set()
    verdicts = judged(turns, had=had, caused=caused, most=most, per_network=per_network)
    for turn, verdict in zip(turns, verdicts, strict=True):
        this = turn.about
        known = (this.appointment_id, this.channel, this.time_version) in about
        free = known and not turn.is_resend and (turn.is_reminder or not turn.by_guest)
        room = (turn.destination is None or to[turn.destination] < most) and (
            turn.origin is None or by[turn.origin] < per_network
        )
        assert (verdict is not Verdict.HELD_BACK) == (free or room)
        if verdict is Verdict.COUNTED:
            to[turn.destination or b""] += 1
            by[turn.origin or b""] += 1
        if verdict is not Verdict.HELD_BACK:
            about |= {
                (this.appointment_id, this.channel, version)
                for version in (this.time_version, None)
            }
