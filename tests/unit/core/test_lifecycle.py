"""The life of an appointment: every guard at its boundary, and one price for the quote and for the
cancellation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.appointment import Appointment, AppointmentStatus, Contact
from app.core.changes import AppointmentChangeKind
from app.core.history import history_entry
from app.core.hold import Hold
from app.core.ids import AppointmentId, CustomerId, HoldId, ProviderId, SessionId
from app.core.lifecycle import (
    Actor,
    Cancellation,
    CustomerTerms,
    Unchanged,
    customer_terms,
    decide_cancellation,
    decide_closing,
    fee_owed,
    late_fee,
    moved,
    quote_cancellation,
    quote_move,
    refuse_move,
)
from app.core.money import CancellationPolicy, LateCancellation, Money
from app.core.refusals import (
    CancellationFeeNotAccepted,
    CancellationQuote,
    InvalidTransition,
    NotCancellable,
    NotChangeableReason,
    NotReschedulable,
    VersionConflict,
)

CONFIRMED, CANCELLED = AppointmentStatus.CONFIRMED, AppointmentStatus.CANCELLED
COMPLETED, NO_SHOW = AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW
ENDED = (COMPLETED, NO_SHOW)
CUSTOMERS_SIDE = (Actor.GUEST, Actor.MANAGE_TOKEN, Actor.CUSTOMER)
PROVIDERS_SIDE = (Actor.PROVIDER, Actor.RECEPTION, Actor.ADMIN)
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
DAY_BEFORE = 24 * 60
LARGEST = 2_147_483_647
START = datetime(2026, 3, 29, 8, tzinfo=UTC)
"""Ten o'clock in Berlin, eight hours after the clocks there went forward."""


def eur(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def fee_of(
    fee: Money | None = None,
    *,
    percent: int | None = None,
    until: int = DAY_BEFORE,
    grace: int = 0,
    charges_no_show: bool = False,
) -> CancellationPolicy:
    return CancellationPolicy(
        free_until_minutes_before=until,
        late_cancellation=LateCancellation.FEE,
        late_fee=fee,
        late_fee_percent=percent,
        grace_minutes=grace,
        charges_no_show=charges_no_show,
    )


def late(what: LateCancellation, *, until: int = DAY_BEFORE, grace: int = 0) -> CancellationPolicy:
    return CancellationPolicy(
        free_until_minutes_before=until, late_cancellation=what, grace_minutes=grace
    )


def an_appointment(
    *,
    starts_at: datetime = START,
    status: AppointmentStatus = CONFIRMED,
    policy: CancellationPolicy | None = None,
    price: Money | None = None,
    version: int = 1,
    booked: timedelta = timedelta(days=30),
) -> Appointment:
    """One that was booked so long before its start."""
    return Appointment(
        id=AppointmentId(UUID(int=1)),
        provider_id=ProviderId(UUID(int=2)),
        service_id=None,
        customer_id=CustomerId(UUID(int=3)),
        status=status,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        customer_time_zone="Europe/Berlin",
        contact=Contact(name="Noor", email="noor@example.com", phone=None, locale=None),
        notes=None,
        version=version,
        time_version=1,
        price=price,
        cancellation_policy=policy or CancellationPolicy(),
        created_at=starts_at - booked,
        cancelled_at=None,
        cancellation_reason=None,
        cancellation_fee=None,
    )


def cancellation(
    appointment: Appointment,
    actor: Actor,
    now: datetime,
    *,
    accept: int = 0,
    version: int | None = None,
) -> Cancellation | NotCancellable | CancellationFeeNotAccepted | VersionConflict:
    return decide_cancellation(
        appointment, actor, now, accept_fee_minor=accept, expected_version=version
    )


# ---------------------------------------------------------------- any appointment, any instant

currencies = st.sampled_from(["EUR", "JPY", "KWD"])
amounts = st.integers(0, LARGEST)


@st.composite
def policies(draw: st.DrawFn) -> tuple[CancellationPolicy, Money | None]:
    """A policy that can be computed, and a price."""
    until = draw(st.sampled_from([0, 1, 60, DAY_BEFORE]) | st.integers(0, 1_584_000))
    price = draw(st.none() | st.builds(Money, amount_minor=amounts, currency=currencies))
    what = draw(st.sampled_from(LateCancellation))
    grace = draw(st.sampled_from([0, 15, 60]) | st.integers(0, 1_584_000))
    if what is not LateCancellation.FEE:
        return late(what, until=until, grace=grace), price
    given: dict[str, Any] = {"until": until, "grace": grace, "charges_no_show": draw(st.booleans())}
    if price is not None and draw(st.booleans()):
        return fee_of(percent=draw(st.integers(1, 100)), **given), price
    return fee_of(Money(amount_minor=draw(amounts), currency=draw(currencies)), **given), price


@st.composite
def appointments(draw: st.DrawFn, *, status: AppointmentStatus | None = None) -> Appointment:
    policy, price = draw(policies())
    minutes = draw(st.integers(0, 60 * 24 * 365 * 20))
    return an_appointment(
        starts_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
        status=status or draw(st.sampled_from(AppointmentStatus)),
        policy=policy,
        price=price,
        version=draw(st.integers(1, 5)),
        booked=draw(st.sampled_from([timedelta(minutes=30), timedelta(days=30)])),
    )


@st.composite
def instants_around(draw: st.DrawFn, appointment: Appointment) -> datetime:
    """Any instant, with a liking for those at which something changes."""
    free_until = appointment.starts_at - timedelta(
        minutes=appointment.cancellation_policy.free_until_minutes_before
    )
    end_of_grace = appointment.created_at + timedelta(
        minutes=appointment.cancellation_policy.grace_minutes
    )
    edge = draw(
        st.sampled_from([appointment.starts_at, appointment.ends_at, free_until, end_of_grace])
    )
    nudges = st.sampled_from([timedelta(0), MICROSECOND, -MICROSECOND, SECOND, -SECOND])
    far = st.timedeltas(min_value=-timedelta(days=40), max_value=timedelta(days=40))
    return edge + draw(nudges | far)


actors = st.sampled_from(Actor)


def versions(appointment: Appointment) -> st.SearchStrategy[int | None]:
    return st.none() | st.sampled_from(
        [appointment.version, appointment.version + 1, appointment.version - 1]
    )


# ---------------------------------------------------------------- the quote


@given(st.data(), appointments(), actors)
def test_a_quote_says_when_it_is_free_what_it_costs_and_whether_it_is_allowed(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    quote = quote_cancellation(appointment, actor, now)
    if appointment.status is not CONFIRMED or now >= appointment.starts_at:
        assert quote is None
        return
    policy = appointment.cancellation_policy
    free_until = appointment.starts_at - timedelta(minutes=policy.free_until_minutes_before)
    end_of_grace = appointment.created_at + timedelta(minutes=policy.grace_minutes)
    if policy.grace_minutes and free_until < end_of_grace:
        free_until = min(end_of_grace, appointment.starts_at)
    if actor in PROVIDERS_SIDE or now <= free_until:
        expected: tuple[bool, Money | None] = (True, None)
    else:
        expected = {
            LateCancellation.ALLOWED: (True, None),
            LateCancellation.REFUSED: (False, None),
            LateCancellation.FEE: (True, late_fee(appointment)),
        }[policy.late_cancellation]
    assert quote is not None
    assert (quote.free_until, quote.allowed, quote.fee) == (free_until, *expected)


@given(st.data(), appointments(), actors, st.integers(0, LARGEST))
def test_quote_and_cancellation_agree_for_everybody_at_every_instant(
    data: st.DataObject, appointment: Appointment, actor: Actor, accepted: int
) -> None:
    # what is cancelled is answered before anything is decided
    assume(appointment.status is not CANCELLED)
    now = data.draw(instants_around(appointment))
    quote = quote_cancellation(appointment, actor, now)
    decision = cancellation(appointment, actor, now, accept=accepted)
    if quote is None:
        closed = appointment.status in ENDED
        reason = (
            NotChangeableReason.ALREADY_CLOSED if closed else NotChangeableReason.ALREADY_STARTED
        )
        assert decision == NotCancellable(reason=reason)
    elif not quote.allowed:
        assert decision == NotCancellable(reason=NotChangeableReason.TOO_LATE)
    elif quote.fee is not None and quote.fee.amount_minor > accepted:
        assert decision == CancellationFeeNotAccepted(quote=quote)
    else:
        assert decision == Cancellation(fee=quote.fee)


@given(st.data(), appointments(status=CONFIRMED), st.sampled_from(PROVIDERS_SIDE))
def test_the_providers_side_never_costs_the_customer_anything_and_is_never_too_late_before_the_start(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    assume(now < appointment.starts_at)
    assert cancellation(appointment, actor, now) == Cancellation(fee=None)
    assert refuse_move(appointment, actor, now, expected_version=None) is None


@given(st.data(), appointments(status=CONFIRMED), st.sampled_from(CUSTOMERS_SIDE))
def test_a_customer_moves_exactly_while_cancelling_is_free(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    refusal = refuse_move(appointment, actor, now, expected_version=None)
    quote = quote_cancellation(appointment, actor, now)
    if quote is None:
        assert refusal == NotReschedulable(reason=NotChangeableReason.ALREADY_STARTED)
    elif quote.allowed and quote.fee is None:
        assert refusal is None
    else:
        assert refusal == NotReschedulable(reason=NotChangeableReason.TOO_LATE)


@given(st.data(), appointments())
def test_a_quote_never_gets_better_as_time_goes_by(
    data: st.DataObject, appointment: Appointment
) -> None:
    actor = data.draw(actors)
    earlier, later = sorted(data.draw(st.tuples(*[instants_around(appointment)] * 2)))
    before, after = (quote_cancellation(appointment, actor, now) for now in (earlier, later))

    def burden(quote: CancellationQuote | None) -> tuple[int, int]:
        if quote is None:
            return (2, 0)
        return (0 if quote.allowed else 1, quote.fee.amount_minor if quote.fee else 0)

    assert burden(before) <= burden(after)


# ---------------------------------------------------------------- the boundary, to the second and below it


@pytest.mark.parametrize("actor", CUSTOMERS_SIDE)
@pytest.mark.parametrize(
    ("starts_at", "until", "free_until"),
    [
        # Berlin, clocks forward in between: elapsed hours, so 9 o'clock there on the day before,
        # not 10.
        ("2026-03-29T08:00:00Z", DAY_BEFORE, "2026-03-28T08:00:00Z"),
        # Berlin, clocks back in between: 25 hours of wall clock, 24 elapsed.
        ("2026-10-25T09:00:00Z", DAY_BEFORE, "2026-10-24T09:00:00Z"),
        # New York, the start is the second of two readings of 01:30; an hour before is the first of
        # them.
        ("2026-11-01T06:30:00Z", 60, "2026-11-01T05:30:00Z"),
        # Lord Howe, half an hour forward.
        ("2026-10-03T16:00:00Z", 60, "2026-10-03T15:00:00Z"),
    ],
)
def test_it_is_free_until_so_much_elapsed_time_before_the_start_that_instant_included(
    starts_at: str, until: int, free_until: str, actor: Actor
) -> None:
    appointment = an_appointment(
        starts_at=datetime.fromisoformat(starts_at), policy=fee_of(eur(2000), until=until)
    )
    edge = datetime.fromisoformat(free_until)
    for now, fee in (
        (edge - SECOND, None),
        (edge, None),
        (edge + MICROSECOND, eur(2000)),
        (edge + SECOND, eur(2000)),
    ):
        quote = quote_cancellation(appointment, actor, now)
        assert quote == CancellationQuote(free_until=edge, fee=fee, allowed=True), now
        assert cancellation(appointment, actor, now, accept=2000) == Cancellation(fee=fee), now
        moved = refuse_move(appointment, actor, now, expected_version=None)
        assert moved == (
            None if fee is None else NotReschedulable(reason=NotChangeableReason.TOO_LATE)
        ), now


@pytest.mark.parametrize("actor", [*CUSTOMERS_SIDE, *PROVIDERS_SIDE])
def test_from_its_start_on_nobody_cancels_or_moves_it(actor: Actor) -> None:
    appointment = an_appointment(policy=late(LateCancellation.ALLOWED))
    before = START - MICROSECOND
    assert cancellation(appointment, actor, before) == Cancellation(fee=None)
    assert refuse_move(appointment, actor, before, expected_version=None) is None
    for now in (START, START + MICROSECOND, START + timedelta(days=1)):
        started = NotChangeableReason.ALREADY_STARTED
        assert quote_cancellation(appointment, actor, now) is None
        assert cancellation(appointment, actor, now, accept=LARGEST) == NotCancellable(
            reason=started
        )
        assert refuse_move(appointment, actor, now, expected_version=None) == NotReschedulable(
            reason=started
        )


def test_a_policy_of_no_minutes_is_free_up_to_the_start() -> None:
    appointment = an_appointment(policy=fee_of(eur(1), until=0))
    assert cancellation(appointment, Actor.GUEST, START - MICROSECOND) == Cancellation(fee=None)


@pytest.mark.parametrize(
    ("booked", "grace", "free_until"),
    [
        (60, 15, 45),  # inside the late window: free again for a quarter of an hour
        (10, 15, 0),  # never after the start
        (15, 15, 0),
        (2 * DAY_BEFORE, 15, DAY_BEFORE),  # the grace is long over when the late window begins
        (DAY_BEFORE + 10, 15, DAY_BEFORE - 5),
        (60, 0, DAY_BEFORE),
    ],
)
def test_cancelling_is_free_again_for_a_while_after_the_booking(
    booked: int, grace: int, free_until: int
) -> None:
    """In minutes before the start."""
    appointment = an_appointment(
        policy=fee_of(eur(2000), grace=grace), booked=timedelta(minutes=booked)
    )
    edge = START - timedelta(minutes=free_until)
    for actor in CUSTOMERS_SIDE:
        if free_until:
            late = cancellation(appointment, actor, edge + MICROSECOND, accept=2000)
            assert late == Cancellation(fee=eur(2000))
            assert cancellation(appointment, actor, edge) == Cancellation(fee=None)
        else:
            last = START - MICROSECOND
            assert cancellation(appointment, actor, last) == Cancellation(fee=None)


@given(st.data(), appointments(), actors)
def test_the_quote_of_a_move_is_the_decision_over_the_move(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    quote = quote_move(appointment, actor, now)
    refusal = refuse_move(appointment, actor, now, expected_version=None)
    assert quote.allowed == (refusal is None)
    if isinstance(refusal, NotReschedulable):
        assert quote.reason is refusal.reason
    if quote.until is None:
        assert quote.reason not in {None, NotChangeableReason.TOO_LATE}
        return
    assert quote.until <= appointment.starts_at
    # Up to that instant it can be moved, and not after it.
    before, after = quote.until - MICROSECOND, quote.until + MICROSECOND
    assert refuse_move(appointment, actor, before, expected_version=None) is None
    assert refuse_move(appointment, actor, after, expected_version=None) is not None


@given(st.data(), appointments(status=CONFIRMED), st.sampled_from(PROVIDERS_SIDE))
def test_at_the_customers_request_staff_pay_what_the_customer_would(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    payer = actor.as_payer(at_customers_request=True)
    assert quote_cancellation(appointment, payer, now) == quote_cancellation(
        appointment, Actor.CUSTOMER, now
    )
    assert actor.as_payer(at_customers_request=False) is actor


@pytest.mark.parametrize("actor", CUSTOMERS_SIDE)
def test_a_customer_always_cancels_at_their_own_request(actor: Actor) -> None:
    assert actor.as_payer(at_customers_request=True) is actor


@given(appointments())
def test_what_is_owed_is_the_fee_of_the_cancellation_or_of_the_no_show(
    appointment: Appointment,
) -> None:
    policy = appointment.cancellation_policy
    expected = None
    if appointment.status is NO_SHOW and policy.charges_no_show:
        expected = late_fee(appointment)
    if appointment.status is CANCELLED:
        appointment = replace(appointment, cancellation_fee=eur(700))
        expected = eur(700)
    assert fee_owed(appointment) == expected


def test_what_is_refused_late_is_not_for_sale() -> None:
    appointment = an_appointment(policy=late(LateCancellation.REFUSED))
    now = START - timedelta(hours=1)
    too_late = NotCancellable(reason=NotChangeableReason.TOO_LATE)
    assert cancellation(appointment, Actor.CUSTOMER, now, accept=LARGEST) == too_late
    quote = quote_cancellation(appointment, Actor.CUSTOMER, now)
    assert quote == CancellationQuote(free_until=START - timedelta(days=1), fee=None, allowed=False)


def test_a_fee_is_taken_up_to_what_was_accepted() -> None:
    appointment = an_appointment(policy=fee_of(eur(1500)))
    now = START - timedelta(hours=1)
    assert isinstance(
        cancellation(appointment, Actor.GUEST, now, accept=1499), CancellationFeeNotAccepted
    )
    assert cancellation(appointment, Actor.GUEST, now, accept=1500) == Cancellation(fee=eur(1500))
    assert cancellation(appointment, Actor.GUEST, now, accept=9999) == Cancellation(fee=eur(1500))


# ---------------------------------------------------------------- money


@given(amounts, st.integers(1, 100), currencies)
def test_a_share_is_rounded_half_up_to_the_minor_unit(
    amount: int, percent: int, currency: str
) -> None:
    price = Money(amount_minor=amount, currency=currency)
    exact = Decimal(amount) * percent / 100
    expected = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    fee = late_fee(an_appointment(policy=fee_of(percent=percent), price=price))
    assert fee == (Money(amount_minor=expected, currency=currency) if expected else None)
    assert fee is None or (type(fee.amount_minor) is int and fee.amount_minor <= amount)


@pytest.mark.parametrize(
    ("amount", "currency", "percent", "fee"),
    [
        (5000, "EUR", 50, 2500),
        (1250, "JPY", 15, 188),  # 187.5 yen; there is nothing smaller than a yen
        (1249, "JPY", 50, 625),  # 624.5
        (12_345, "KWD", 33, 4074),  # 4.07385 dinars, in fils
        (10_001, "KWD", 50, 5001),  # 5000.5 fils
        (3, "EUR", 50, 2),  # 1.5
        (1, "EUR", 50, 1),  # 0.5
        (1, "EUR", 49, None),  # 0.49: nothing
        (LARGEST, "JPY", 100, LARGEST),
        (LARGEST, "JPY", 50, 1_073_741_824),
        (0, "EUR", 100, None),
    ],
)
def test_shares_by_example(amount: int, currency: str, percent: int, fee: int | None) -> None:
    price = Money(amount_minor=amount, currency=currency)
    found = late_fee(an_appointment(policy=fee_of(percent=percent), price=price))
    assert found == (None if fee is None else Money(amount_minor=fee, currency=currency))


def test_a_fixed_fee_is_in_its_own_currency_whatever_the_price() -> None:
    appointment = an_appointment(
        policy=fee_of(Money(amount_minor=1000, currency="JPY")), price=eur(1)
    )
    assert late_fee(appointment) == Money(amount_minor=1000, currency="JPY")


def test_a_fee_of_nothing_is_no_fee() -> None:
    appointment = an_appointment(policy=fee_of(eur(0)))
    now = START - timedelta(hours=1)
    assert cancellation(appointment, Actor.GUEST, now) == Cancellation(fee=None)
    assert refuse_move(appointment, Actor.GUEST, now, expected_version=None) is None


# ---------------------------------------------------------------- states and versions


@given(st.data(), appointments(), actors, st.sampled_from(ENDED))
def test_an_appointment_is_closed_from_its_start_on_unless_it_is_cancelled(
    data: st.DataObject, appointment: Appointment, actor: Actor, to: AppointmentStatus
) -> None:
    now = data.draw(instants_around(appointment))
    expected = data.draw(versions(appointment))
    decision = decide_closing(appointment, to, now, expected_version=expected)
    if appointment.status is to:
        assert decision == Unchanged()
    elif expected not in {None, appointment.version}:
        assert decision == VersionConflict(current_version=appointment.version)
    elif appointment.status is CANCELLED or now < appointment.starts_at:
        assert decision == InvalidTransition(from_status=appointment.status, to_status=to)
        assert decision.message.endswith(".")
    else:
        assert decision is to


@pytest.mark.parametrize("to", ENDED)
def test_it_is_closed_at_its_very_start_and_not_before(to: AppointmentStatus) -> None:
    appointment = an_appointment()
    too_early = decide_closing(appointment, to, START - MICROSECOND, expected_version=None)
    assert too_early == InvalidTransition(from_status=CONFIRMED, to_status=to)
    assert decide_closing(appointment, to, START, expected_version=None) is to


@pytest.mark.parametrize(("of", "to"), [(COMPLETED, NO_SHOW), (NO_SHOW, COMPLETED)])
def test_completed_and_no_show_are_exchangeable(
    of: AppointmentStatus, to: AppointmentStatus
) -> None:
    appointment = an_appointment(status=of)
    assert decide_closing(appointment, to, START + timedelta(days=300), expected_version=1) is to


@given(st.data(), appointments(), actors)
def test_a_change_of_another_version_is_refused(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    other = data.draw(st.integers(-1, 9).filter(lambda version: version != appointment.version))
    conflict = VersionConflict(current_version=appointment.version)
    assert refuse_move(appointment, actor, now, expected_version=other) == conflict
    if appointment.status is not CANCELLED:
        assert cancellation(appointment, actor, now, accept=LARGEST, version=other) == conflict


@given(st.data(), appointments(), actors)
def test_the_version_that_is_changes_no_decision(
    data: st.DataObject, appointment: Appointment, actor: Actor
) -> None:
    now = data.draw(instants_around(appointment))
    version = appointment.version
    assert refuse_move(appointment, actor, now, expected_version=version) == refuse_move(
        appointment, actor, now, expected_version=None
    )
    assert cancellation(appointment, actor, now, version=version) == cancellation(
        appointment, actor, now
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CANCELLED, NotChangeableReason.ALREADY_CANCELLED),
        (COMPLETED, NotChangeableReason.ALREADY_CLOSED),
        (NO_SHOW, NotChangeableReason.ALREADY_CLOSED),
    ],
)
@pytest.mark.parametrize("actor", Actor)
def test_what_is_over_is_never_moved(
    status: AppointmentStatus, reason: NotChangeableReason, actor: Actor
) -> None:
    for now in (START - timedelta(days=9), START, START + timedelta(days=9)):
        refusal = refuse_move(an_appointment(status=status), actor, now, expected_version=None)
        assert refusal == NotReschedulable(reason=reason)
        assert quote_cancellation(an_appointment(status=status), actor, now) is None


def test_a_party_that_moves_keeps_the_price_of_a_seat_and_its_size_is_news() -> None:
    """The time version rises with the start, the providers, the session and the seats."""
    price = Money(amount_minor=3_000, currency="EUR")
    before = replace(
        an_appointment(price=price), seats=2, session_id=SessionId(UUID(int=7)), named=0
    )
    smaller = moved(
        before,
        before.starts_at,
        before.ends_at,
        providers=before.providers,
        named=0,
        resources=(),
        session_id=before.session_id,
        seats=1,
    )
    assert (smaller.seats, smaller.price) == (1, replace(price, amount_minor=1_500))
    assert smaller.session_id == before.session_id
    assert (smaller.version, smaller.time_version) == (
        before.version + 1,
        before.time_version + 1,
    )
    later = moved(
        before,
        before.starts_at + timedelta(hours=1),
        before.ends_at + timedelta(hours=1),
        providers=before.providers,
        named=0,
        resources=(),
    )
    assert (later.seats, later.price, later.session_id) == (2, price, None)
    assert later.time_version == before.time_version + 1


@pytest.mark.parametrize("reason", NotChangeableReason)
def test_every_reason_not_to_change_has_a_sentence(reason: NotChangeableReason) -> None:
    for refusal in (NotCancellable(reason=reason), NotReschedulable(reason=reason)):
        assert len(refusal.message.split()) > 3
        assert refusal.message.endswith(".")


# ---------------------------------------------------------------- holds and history


@given(st.timedeltas(min_value=-timedelta(days=1), max_value=timedelta(days=1)), st.booleans())
def test_a_hold_lasts_until_it_expires_that_instant_excluded(
    offset: timedelta,
    ended: bool,  # noqa: FBT001
) -> None:
    hold = Hold(
        id=HoldId(UUID(int=1)),
        provider_id=ProviderId(UUID(int=2)),
        service_id=None,
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        expires_at=START - timedelta(days=2),
        ended_at=START - timedelta(days=3) if ended else None,
    )
    assert hold.is_active_at(hold.expires_at + offset) == (not ended and offset < timedelta(0))


def test_an_entry_of_the_history_says_what_was_and_what_is() -> None:
    booked = an_appointment()
    moved = replace(booked, starts_at=START + timedelta(days=1), version=2)
    first = history_entry(
        None,
        booked,
        kind=AppointmentChangeKind.BOOKED,
        occurred_at=START,
        actor=Actor.GUEST,
        actor_subject=None,
    )
    assert (first.version, first.from_status, first.from_starts_at) == (1, None, None)
    assert (first.to_status, first.to_starts_at) == (CONFIRMED, START)
    second = history_entry(
        booked,
        moved,
        kind=AppointmentChangeKind.RESCHEDULED,
        occurred_at=START,
        actor=Actor.CUSTOMER,
        actor_subject="robin",
        reason="ill",
    )
    assert (second.version, second.from_status, second.from_starts_at) == (2, CONFIRMED, START)
    assert (second.to_status, second.to_starts_at) == (CONFIRMED, moved.starts_at)
    assert (second.actor, second.actor_subject, second.reason) == (Actor.CUSTOMER, "robin", "ill")


# ---------------------------------------------------------------- the terms in messages


@given(appointments(), st.integers(-3 * DAY_BEFORE, 60))
def test_messages_offer_what_the_customer_may_do(appointment: Appointment, minutes: int) -> None:
    now = appointment.starts_at + timedelta(minutes=minutes)
    terms = customer_terms(appointment, now)
    may_move = refuse_move(appointment, Actor.MANAGE_TOKEN, now, expected_version=None) is None
    allowed = cancellation(appointment, Actor.MANAGE_TOKEN, now, accept=LARGEST)
    may_cancel = isinstance(allowed, Cancellation)
    if terms is None:
        assert not may_cancel
        assert not may_move
        return
    assert (terms.may_cancel, terms.may_move) == (may_cancel, may_move)
    assert terms.is_late == (terms.free_until is not None and now > terms.free_until)
    if isinstance(allowed, Cancellation):
        assert allowed.fee == (terms.late_fee if terms.is_late else None)


@pytest.mark.parametrize(
    ("policy", "minutes_before", "terms"),
    [
        (late(LateCancellation.ALLOWED), 60, (None, None, False, True, True)),
        (fee_of(eur(4000), until=0), 60, (None, None, False, True, True)),
        (fee_of(eur(0)), 60, (None, None, False, True, True)),
        (fee_of(eur(4000)), DAY_BEFORE, (DAY_BEFORE, eur(4000), False, True, True)),
        (fee_of(eur(4000)), DAY_BEFORE - 1, (DAY_BEFORE, eur(4000), True, True, False)),
        (late(LateCancellation.REFUSED), DAY_BEFORE, (DAY_BEFORE, None, False, True, True)),
        (late(LateCancellation.REFUSED), 60, (DAY_BEFORE, None, True, False, False)),
    ],
)
def test_the_terms_of_a_policy(
    policy: CancellationPolicy,
    minutes_before: int,
    terms: tuple[int | None, Money | None, bool, bool, bool],
) -> None:
    free, fee, is_late, may_cancel, may_move = terms
    now = START - timedelta(minutes=minutes_before)
    assert customer_terms(an_appointment(policy=policy), now) == CustomerTerms(
        free_until=None if free is None else START - timedelta(minutes=free),
        late_fee=fee,
        is_late=is_late,
        may_cancel=may_cancel,
        may_move=may_move,
    )
