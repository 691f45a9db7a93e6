"""Validation: any input gives a value that the rules accept, or a refusal that names the field."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any, Final

import pytest
from babel.numbers import list_currencies
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.appointment import Contact
from app.core.hours import ClockRange, DayException, WeeklyRange
from app.core.money import CancellationPolicy, LateCancellation, Money
from app.core.needs import Needs
from app.core.refusals import InvalidInput
from app.core.validation import (
    ContactForm,
    NeedsForm,
    PolicyForm,
    ProviderForm,
    ServiceForm,
    ValidProvider,
    ValidService,
    is_slug,
    is_subject,
    needs_form,
    policy_form,
    refuse_price_of_seats,
    valid_contact,
    valid_exception,
    valid_idempotency_key,
    valid_needs,
    valid_notes,
    valid_organization,
    valid_provider,
    valid_reason,
    valid_seats,
    valid_service,
    valid_time_zone,
    valid_week,
)
from app.core.zones import known_zones

# Texts as they come over the wire: any Unicode but half characters.
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
# What the database's CHECK constraints demand.
STORED_PHONE: Final = re.compile(r"\+[0-9]{3,15}")

FREE: Final = PolicyForm(
    free_until_minutes_before=0,
    late_cancellation=LateCancellation.ALLOWED,
    late_fee=None,
    late_fee_percent=None,
)
PROVIDER: Final = ProviderForm(
    name="Ada",
    time_zone="Europe/Berlin",
    service_duration_minutes=30,
    buffer_minutes=0,
    slot_interval_minutes=None,
    min_notice_minutes=0,
    max_advance_booking_days=60,
    email=None,
    phone=None,
    cancellation_policy=FREE,
    subject="ada",
)
SERVICE: Final = ServiceForm(
    name="Cut",
    duration_minutes=30,
    buffer_before_minutes=0,
    buffer_after_minutes=None,
    slot_interval_minutes=None,
    min_notice_minutes=None,
    max_advance_booking_days=None,
    price=Money(amount_minor=5_000, currency="EUR"),
    cancellation_policy=None,
)


def refused_field(answer: object) -> str:
    assert isinstance(answer, InvalidInput), answer
    assert answer.message
    return answer.field


@given(
    name=TEXTS,
    email=st.none() | TEXTS | st.emails(),
    phone=st.none() | TEXTS,
    locale=st.none() | TEXTS,
)
def test_any_contact_is_refused_or_can_be_stored(
    name: str, email: str | None, phone: str | None, locale: str | None
) -> None:
    """Nothing that is typed raises, and what is accepted meets every constraint of the database."""
    answer = valid_contact(ContactForm(name=name, email=email, phone=phone, locale=locale))
    if isinstance(answer, InvalidInput):
        assert answer.field in {
            "customer.name",
            "customer.email",
            "customer.phone",
            "customer.locale",
        }
        return
    assert 1 <= len(answer.name) <= 200
    assert "\0" not in answer.name
    assert answer.email or answer.phone
    assert answer.email is None or 3 <= len(answer.email) <= 254
    assert answer.phone is None or STORED_PHONE.fullmatch(answer.phone)
    assert answer.locale is None or 2 <= len(answer.locale) <= 35


@given(
    typed=st.emails()
    | st.from_regex(
        r"[a-z0-9._+-]{1,70}@[a-z0-9-]{1,20}(\.[a-z0-9-]{1,60}){0,3}\.?(com|test|local|xn--p1ai)",
        fullmatch=True,
    )
)
@example("postmaster@example.com")
@example("a@b@example.com")
@example("a..b@example.com")
@example("a@-example.com")
@example("a@xn--mller-kva.example")
def test_an_address_is_what_the_library_makes_of_it(typed: str) -> None:
    """Whether or not its domain was seen before."""
    contact = ContactForm(name="Noor", email=typed, phone=None, locale=None)
    try:
        kept = validate_email(typed.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        kept = None
    for _ in range(2):
        answer = valid_contact(contact)
        assert (answer.email if isinstance(answer, Contact) else None) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+49 30 901820", "+4930901820"),
        ("  +49(30)901-820 ", "+4930901820"),
        ("+1 212 555 0123", "+12125550123"),
        ("tel:+33-1-23-45-67-89", "+33123456789"),
        ("0049 30 901820", "+4930901820"),
        ("(00) 49 30 901820", "+4930901820"),
        ("00 1 212 555 0123", "+12125550123"),
    ],
)
def test_a_phone_number_is_kept_in_one_form(typed: str, kept: str) -> None:
    """E.164, for every way of typing it."""
    answer = valid_contact(ContactForm(name="Noor", email=None, phone=typed, locale=None))
    assert answer == Contact(name="Noor", email=None, phone=kept, locale=None)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "1",
        "030 901820",
        "+",
        "+0 30 901820",
        "+49",
        "+999 123456",
        "00",
        "00 30 901820",
        "+1 555 0100",  # can be dialled within its area only
        "001 555 0100",
        "call me",
    ],
)
def test_what_is_no_phone_number_with_its_country_is_refused(typed: str) -> None:
    answer = valid_contact(
        ContactForm(name="Noor", email="noor@example.com", phone=typed, locale=None)
    )
    assert refused_field(answer) == "customer.phone"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("de", "de"),
        ("de-AT", "de-AT"),
        ("de_AT", "de-AT"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("pt-BR", "pt-BR"),
    ],
)
def test_a_locale_is_a_language_tag(typed: str, kept: str) -> None:
    answer = valid_contact(
        ContactForm(name="Noor", email="noor@example.com", phone=None, locale=typed)
    )
    assert isinstance(answer, Contact)
    assert answer.locale == kept


def test_every_zone_of_the_tables_is_a_zone_in_its_own_spelling_only() -> None:
    for name in known_zones():
        assert valid_time_zone("time_zone", name) == name
        if name.lower() not in known_zones():
            assert refused_field(valid_time_zone("time_zone", name.lower())) == "time_zone"


@given(name=TEXTS)
def test_a_zone_that_is_unknown_is_refused_by_name_and_nothing_else_is_loaded(name: str) -> None:
    answer = valid_time_zone("customer_time_zone", name)
    if name in known_zones():
        assert answer == name
    else:
        assert refused_field(answer) == "customer_time_zone"
        assert isinstance(answer, InvalidInput)
        assert answer.message.isprintable()


@given(text=TEXTS)
def test_notes_and_reasons_keep_their_paragraphs_and_nothing_unprintable(text: str) -> None:
    for check, longest in ((valid_notes, 2_000), (valid_reason, 500)):
        answer = check(text)
        if isinstance(answer, InvalidInput):
            assert re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) or len(text.strip()) > longest
        else:
            assert answer == (text.strip() or None)
            assert answer is None or 1 <= len(answer) <= longest


@pytest.mark.parametrize("length", [0, 1, 255, 256])
def test_an_idempotency_key_has_1_to_255_characters(length: int) -> None:
    key = "é" * length
    answer = valid_idempotency_key(key)
    assert answer == key if 1 <= length <= 255 else refused_field(answer) == "idempotency_key"


def test_a_key_is_taken_as_it_is() -> None:
    """White space is part of it: two keys that differ in it are two keys."""
    assert valid_idempotency_key(" a ") == " a "
    assert refused_field(valid_idempotency_key("a\n")) == "idempotency_key"


def test_every_currency_has_a_code_that_can_be_stored() -> None:
    for code in list_currencies():
        answer = valid_service(replace(SERVICE, price=Money(amount_minor=0, currency=code)))
        assert isinstance(answer, ValidService)
        assert re.fullmatch(r"[A-Z]{3}", code)
    for code in ("EURO", "eur", "", "€", "E\0R", "ZZZ"):
        assert (
            refused_field(
                valid_service(replace(SERVICE, price=Money(amount_minor=0, currency=code)))
            )
            == "price.currency"
        )


@given(
    late=st.sampled_from(LateCancellation),
    fee=st.none()
    | st.integers(-1, 2**31).map(lambda amount: Money(amount_minor=amount, currency="EUR")),
    percent=st.none() | st.integers(-1, 102),
    free=st.integers(-1, 1_600_000),
    price=st.none() | st.just(Money(amount_minor=5_000, currency="EUR")),
    grace=st.sampled_from([-1, 0, 15, 1_100 * 1_440, 1_100 * 1_440 + 1]),
    charges_no_show=st.booleans(),
)
def test_a_valid_policy_can_be_computed(
    late: LateCancellation,
    fee: Money | None,
    percent: int | None,
    free: int,
    price: Money | None,
    grace: int,
    *,
    charges_no_show: bool,
) -> None:
    """With FEE exactly one kind of fee, and a price where it is a share; otherwise none. All else
    is refused.
    """
    form = PolicyForm(
        free_until_minutes_before=free,
        late_cancellation=late,
        late_fee=fee,
        late_fee_percent=percent,
        grace_minutes=grace,
        charges_no_show=charges_no_show,
    )
    answer = valid_service(replace(SERVICE, price=price, cancellation_policy=form))
    in_range = (
        0 <= free <= 1_100 * 1_440
        and (fee is None or 0 <= fee.amount_minor < 2**31)
        and (percent is None or 1 <= percent <= 100)
        and 0 <= grace <= 1_100 * 1_440
    )
    kinds = (fee is not None) + (percent is not None)
    computable = kinds == (late is LateCancellation.FEE) and (percent is None or price is not None)
    computable &= late is LateCancellation.FEE or not charges_no_show
    if in_range and computable:
        assert isinstance(answer, ValidService)
        assert answer.cancellation_policy == CancellationPolicy(
            free_until_minutes_before=free,
            late_cancellation=late,
            late_fee=fee,
            late_fee_percent=percent,
            grace_minutes=grace,
            charges_no_show=charges_no_show,
        )
        assert policy_form(answer.cancellation_policy) == form
    else:
        assert refused_field(answer).startswith("cancellation_policy.")
    of_provider = valid_provider(replace(PROVIDER, cancellation_policy=form))
    assert isinstance(of_provider, ValidProvider) == (in_range and computable and percent is None)


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("service_duration_minutes", 1, 1_440),
        ("buffer_minutes", 0, 1_440),
        ("slot_interval_minutes", 1, 1_440),
        ("min_notice_minutes", 0, 1_584_000),
        ("max_advance_booking_days", 0, 1_100),
    ],
)
def test_a_rule_is_within_its_bounds_inclusive(field: str, least: int, most: int) -> None:

    def checked(value: int) -> ValidProvider | InvalidInput:
        changes: dict[str, Any] = {field: value}
        return valid_provider(replace(PROVIDER, **changes))

    for value in (least, most):
        answer = checked(value)
        assert isinstance(answer, ValidProvider)
        assert getattr(answer.rules, field) == value
    for value in (least - 1, most + 1, -(2**31), 2**31 - 1):
        assert refused_field(checked(value)) == field


@pytest.mark.parametrize("seats", [1, 2, 1_000])
def test_a_party_takes_1_to_1000_seats_and_a_service_has_as_many(seats: int) -> None:
    assert valid_seats(seats) == seats
    needs = valid_needs(NeedsForm(provider_ids=[], seats=seats))
    assert isinstance(needs, Needs)
    assert needs.seats == seats
    assert needs_form(needs).seats == seats


@pytest.mark.parametrize("seats", [None, 0, -1, 1_001, 2**31 - 1])
def test_no_other_number_of_seats_is_taken(seats: int | None) -> None:
    assert refused_field(valid_seats(seats)) == "seats"
    assert refused_field(valid_needs(NeedsForm(provider_ids=[], seats=seats))) == "seats"


def test_all_seats_together_cost_what_an_appointment_can() -> None:
    most = Money(amount_minor=2**31 - 1, currency="EUR")
    assert refuse_price_of_seats(None, 1_000) is None
    assert refuse_price_of_seats(most, 1) is None
    assert (
        refuse_price_of_seats(replace(most, amount_minor=most.amount_minor // 1_000), 1_000) is None
    )
    assert refused_field(refuse_price_of_seats(most, 2)) == "price.amount_minor"


# ---------------------------------------------------------------- hours

CLOCKS: Final = st.builds(ClockRange, st.integers(0, 1_439), st.integers(0, 1_440))
WEEKLY: Final = st.builds(
    WeeklyRange,
    st.integers(0, 1),
    st.integers(0, 1_439),
    st.integers(0, 1_440),
    st.sampled_from([None, date(2026, 1, 1)]),
    st.sampled_from([None, date(2026, 6, 30)]),
)


def readings(ranges: tuple[WeeklyRange, ...]) -> set[tuple[int, date | None, date | None, int]]:
    return {
        (each.weekday, each.effective_from, each.effective_until, minute)
        for each in ranges
        for minute in range(*each.span)
    }


@given(ranges=st.lists(WEEKLY, max_size=6))
def test_merging_hours_keeps_every_reading_and_says_none_twice(ranges: list[WeeklyRange]) -> None:
    """As few ranges as a day of 24 hours allows; merging what is merged changes nothing."""
    week = valid_week("hours", ranges, ranges)
    assert not isinstance(week, InvalidInput)
    merged = week.hours
    assert week.breaks == merged
    assert readings(merged) == readings(tuple(ranges))
    assert valid_week("hours", merged, merged) == week
    assert len(merged) <= len(ranges)
    for one in merged:
        assert 0 <= one.start_minute <= 1_439
        assert 0 <= one.end_minute <= 1_440
        for other in merged:
            alike = (one.weekday, *one[3:]) == (other.weekday, *other[3:])
            if one != other and alike and one.span[0] <= other.span[0] <= one.span[1]:
                assert max(one.span[1], other.span[1]) - one.span[0] > 1_440


@given(is_blocked=st.booleans(), ranges=st.lists(CLOCKS, max_size=4))
def test_an_exception_is_of_one_kind_and_a_block_stays_inside_its_date(
    is_blocked: bool,  # noqa: FBT001  Hypothesis passes it by name
    ranges: list[ClockRange],
) -> None:
    answer = valid_exception(date(2026, 2, 2), is_blocked=is_blocked, ranges=ranges)
    if not is_blocked and not ranges:
        assert refused_field(answer) == "ranges"
    elif is_blocked and any(end <= start for start, end in ranges):
        assert re.fullmatch(r"ranges\.\d\.end", refused_field(answer))
    else:
        assert isinstance(answer, DayException)
        assert answer.is_closed == (is_blocked and not ranges)
        assert answer.is_custom == (not is_blocked)
        starts = [clock.start_minute for clock in answer.ranges]
        assert sorted(set(starts)) == starts  # one row each in the database


# ---------------------------------------------------------------- names of tenants and callers


@given(text=TEXTS | st.from_regex(r"[a-z0-9-]{1,70}", fullmatch=True))
def test_a_slug_is_what_a_header_may_contain(text: str) -> None:
    expected = re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) is not None
    assert is_slug(text) == expected
    answer = valid_organization(text, "A Practice")
    assert answer == (text, "A Practice") if expected else refused_field(answer) == "slug"


@given(text=TEXTS)
def test_a_subject_can_be_stored_as_it_is(text: str) -> None:
    assert is_subject(text) == (
        1 <= len(text) <= 255 and re.search(r"[\x00-\x1f\x7f\u2028\u2029]", text) is None
    )
