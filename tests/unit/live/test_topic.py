"""What a topic shows: each page once for all subscribers, dated by the read that it comes from,
never going back.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from app.core.changes import TimeChanged
from app.core.free_days import FreeDay, Held
from app.core.hours import Hours
from app.core.ids import OrganizationId, ProviderId
from app.core.money import CancellationPolicy, LateCancellation
from app.core.party import Party
from app.core.provider import Calendar, Provider
from app.core.rules import ProviderRules, Rules
from app.core.zones import EPOCH, minute_of
from app.live.rulebooks import ProviderDay, ProviderRulebook
from app.live.topic import Found, Page, Revision, Topic

NOW = datetime(2026, 1, 12, 8, tzinfo=UTC)
TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)
SECOND = timedelta(seconds=1)
ADA = ProviderId(UUID(int=1))


def a_calendar(*, time_zone: str = "UTC", **rules: int) -> Calendar:
    in_force = Rules(**{"duration_minutes": 60, **rules})
    policy = CancellationPolicy(
        free_until_minutes_before=0,
        late_cancellation=LateCancellation.ALLOWED,
        late_fee=None,
        late_fee_percent=None,
    )
    provider = Provider(
        id=ADA,
        subject="ada",
        name="Ada",
        email=None,
        phone=None,
        time_zone=time_zone,
        rules=ProviderRules(service_duration_minutes=in_force.duration_minutes),
        cancellation_policy=policy,
    )
    return Calendar(
        provider=provider,
        service=None,
        hours=Hours(time_zone=time_zone, exceptions={}),
        rules=in_force,
    )


def minutes(day: date, *times: str) -> tuple[int, ...]:
    return tuple(minute_of(datetime.fromisoformat(f"{day}T{time}Z")) for time in times)


def a_day(*times: str, day: date = TODAY, held: tuple[Held, ...] = ()) -> ProviderDay:
    stretches = tuple(at for each in minutes(day, *times) for at in (each, each + 1, each))
    return ProviderDay(FreeDay(stretches, held))


def a_topic() -> Topic:
    return Topic(Party(ADA, None))


def shown(topic: Topic, page: Page) -> tuple[int, ...]:
    return topic.refresh(page).content.starts


def revision(topic: Topic, page: Page) -> Revision:
    found = topic.refresh(page).revision
    assert found is not None
    return found


def read(
    topic: Topic,
    position: int,
    now: datetime = NOW,
    calendar: Calendar | None = None,
    **days: ProviderDay,
) -> None:
    """A reading of today, tomorrow, or both."""
    dates = {"today": TODAY, "tomorrow": TOMORROW}
    found = {dates[name]: day for name, day in days.items()}
    topic.stale.difference_update(found)
    topic.take(found, Found(ProviderRulebook(calendar or a_calendar()), found), position, now)


def test_what_was_not_read_is_not_shown() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    assert topic.refresh(page).revision is None
    assert topic.stale == {TODAY}
    read(topic, 5, today=a_day("09:00"))
    assert shown(topic, page) == minutes(TODAY, "09:00")


def test_a_revision_grows_with_each_change_and_only_then() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    read(topic, 5, today=a_day("09:00", "10:00"))
    first = revision(topic, page)
    read(topic, 6, today=a_day("09:00", "10:00"))
    assert revision(topic, page) == first
    read(topic, 7, today=a_day("10:00"))
    second = revision(topic, page)
    read(topic, 8, today=a_day("09:00", "10:00"))
    assert first < second < revision(topic, page)


def test_revisions_are_ordered_as_text() -> None:
    ordered = [
        Revision(9, 10**16),
        Revision(10, 5),
        Revision(10, 40),
        Revision(10**12, 0),
        Revision(10**15, 10**16),
    ]
    assert sorted(map(str, ordered)) == [str(each) for each in ordered]


def test_a_clock_set_back_or_a_database_that_counts_from_zero_never_lowers_a_revision() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    read(topic, 5_000, today=a_day("09:00"))
    first = revision(topic, page)
    read(topic, 3, NOW - SECOND, today=a_day("10:00"))
    second = revision(topic, page)
    assert topic.let_time_pass(NOW + timedelta(hours=3))
    assert first < second < revision(topic, page)


def test_those_who_watch_one_page_share_it() -> None:
    topic = a_topic()
    (first,) = topic.watch("Europe/Berlin", [TODAY])
    (second,) = topic.watch("Europe/Berlin", [TODAY])
    assert first is second
    topic.leave([first])
    assert topic.watched_days == 5
    topic.leave([second])
    assert not topic.is_watched
    assert topic.watched_days == 0
    assert topic.stale == set()


def test_a_page_in_another_zone_is_made_of_parts_of_several_days() -> None:
    topic = a_topic()
    (page,) = topic.watch("Asia/Tokyo", [TOMORROW])
    around = [TODAY + timedelta(days=days) for days in range(-1, 4)]
    assert topic.stale == set(around)
    free = {day: a_day("09:00", "16:00", day=day) for day in around}
    topic.take(around, Found(ProviderRulebook(a_calendar()), free), 5, NOW)
    assert shown(topic, page) == (*minutes(TODAY, "16:00"), *minutes(TOMORROW, "09:00"))


def test_a_change_of_a_day_that_a_page_does_not_show_leaves_its_revision() -> None:
    topic = a_topic()
    (tokyo,) = topic.watch("Asia/Tokyo", [TOMORROW])
    (utc,) = topic.watch(None, [TODAY])
    around = sorted(topic.stale)
    free = {day: a_day("09:00", "16:00", day=day) for day in around}
    topic.take(around, Found(ProviderRulebook(a_calendar()), free), 5, NOW)
    before = revision(topic, tokyo), revision(topic, utc)
    topic.take([TODAY], Found(ProviderRulebook(a_calendar()), {TODAY: a_day("16:00")}), 6, NOW)
    assert revision(topic, tokyo) == before[0]
    assert revision(topic, utc) > before[1]


def test_time_takes_starts_away_and_gives_held_ones_back() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    expires_at = NOW + timedelta(minutes=10)
    (start,) = minutes(TODAY, "09:30")
    held = Held(start, start + 1, (expires_at - EPOCH) // timedelta(microseconds=1))
    read(topic, 5, today=a_day("09:00", "09:30", held=(held,)))
    assert topic.changes_at == expires_at
    assert not topic.let_time_pass(expires_at - SECOND)
    assert topic.let_time_pass(expires_at)
    assert shown(topic, page) == minutes(TODAY, "09:00", "09:30")
    assert topic.let_time_pass(NOW + timedelta(hours=1, seconds=1))
    assert shown(topic, page) == minutes(TODAY, "09:30")


def test_a_provider_who_is_gone_has_nothing_free_and_may_come_back() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    read(topic, 5, today=a_day("09:00"))
    before = revision(topic, page)
    topic.take([TODAY], None, 6, NOW)
    assert shown(topic, page) == ()
    assert revision(topic, page) > before
    read(topic, 7, today=a_day("09:00"))
    assert shown(topic, page) == minutes(TODAY, "09:00")


def test_a_visit_of_another_length_is_another_page() -> None:
    topic = a_topic()
    (page,) = topic.watch(None, [TODAY])
    read(topic, 5, today=a_day("09:00"))
    before = revision(topic, page)
    read(topic, 6, today=a_day("09:00"), calendar=a_calendar(duration_minutes=30))
    assert revision(topic, page) > before


def test_rules_that_changed_without_a_word_put_all_days_in_doubt() -> None:
    topic = a_topic()
    topic.watch(None, [TODAY, TOMORROW])
    read(topic, 5, today=a_day("09:00"), tomorrow=a_day("09:00", day=TOMORROW))
    read(topic, 6, today=a_day("09:00"), calendar=a_calendar(min_notice_minutes=60))
    assert topic.stale == {TOMORROW}


def test_taken_time_puts_those_days_in_doubt_that_it_reaches() -> None:
    topic = a_topic()
    topic.watch(None, [TODAY, TOMORROW])
    read(topic, 5, today=a_day("09:00"), tomorrow=a_day("09:00", day=TOMORROW))
    begin, end = minutes(TODAY, "22:00", "23:00")
    change = TimeChanged(
        organization_id=OrganizationId(UUID(int=7)),
        subject_id=ADA,
        time_zone="UTC",
        claimed_from=begin,
        claimed_until=end,
    )
    assert topic.doubt(change)
    assert topic.stale == {TODAY}
    late = TimeChanged(
        organization_id=change.organization_id,
        subject_id=ADA,
        time_zone="UTC",
        claimed_from=begin + 60,
        claimed_until=end + 60,
    )
    read(topic, 6, today=a_day("09:00"), calendar=a_calendar(buffer_before_minutes=30))
    topic.stale.clear()
    assert topic.doubt(late)
    assert topic.stale == {TODAY, TOMORROW}


def test_time_far_from_what_is_watched_is_no_reason_to_read() -> None:
    topic = a_topic()
    topic.watch(None, [TODAY])
    read(topic, 5, today=a_day("09:00"))
    begin, end = minutes(TODAY + timedelta(days=30), "09:00", "10:00")
    change = TimeChanged(
        organization_id=OrganizationId(UUID(int=7)),
        subject_id=ADA,
        time_zone="UTC",
        claimed_from=begin,
        claimed_until=end,
    )
    assert not topic.doubt(change)
    assert topic.stale == set()
