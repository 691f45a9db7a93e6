"""The zones that people choose from have today's names, and each is one that the law knows."""

from __future__ import annotations

from app.core.zones import is_known_zone
from app.web import zone_names


def test_every_current_name_is_a_zone_and_no_replaced_name_is_listed() -> None:
    names = zone_names.current_names()
    assert {"Europe/Kyiv", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York"} <= set(names)
    assert {"Europe/Kiev", "Asia/Calcutta", "US/Eastern", "EST", "GMT"} & set(names) == set()
    assert all(is_known_zone(name) for name in names)


def test_a_replaced_name_leads_to_its_current_one() -> None:
    replaced = zone_names.renamed()
    assert replaced["Asia/Calcutta"] == "Asia/Kolkata"
    assert replaced["Europe/Kiev"] == "Europe/Kyiv"
    assert set(replaced.values()) <= set(zone_names.current_names())
