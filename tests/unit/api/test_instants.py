"""Instants in lists are written as single ones are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.api.words.instants import local_texts, utc_texts
from app.api.words.scalars import format_date_time
from app.core.zones import instant_of, local_text
from tests.unit.core.worlds import dates_in, zones


@given(st.data())
def test_texts_of_many_minutes_are_those_of_each(data: st.DataObject) -> None:
    zone = data.draw(zones)
    day = data.draw(dates_in(zone))
    noon = (day.toordinal() - 719_163) * 1440 + 720
    minutes = data.draw(st.lists(st.integers(noon - 3000, noon + 3000), max_size=20))
    assert utc_texts(minutes) == [format_date_time(instant_of(minute)) for minute in minutes]
    assert local_texts(zone, minutes) == [local_text(zone, minute) for minute in minutes]
