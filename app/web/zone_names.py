"""The names of time zones that people choose from: those in use today, by the pinned `tzdata`.

Browsers list many zones under names that were replaced long ago, such as Asia/Calcutta. The time
zone database lists one current name for each country and zone in `zone.tab`, and says in its links
which names were replaced (https://data.iana.org/time-zones/tz-link.html).
"""

from __future__ import annotations

from importlib.resources import files

import orjson


def current_names() -> list[str]:
    """Every zone that is in use somewhere, by its current name, sorted."""
    lines = _table("zone.tab")
    return sorted({line.split("\t")[2] for line in lines if line and not line.startswith("#")})


def renamed() -> dict[str, str]:
    """The current name for each name that was replaced."""
    current = set(current_names())
    links = [line.split(" ") for line in _table("tzdata.zi") if line.startswith("L ")]
    return {old: new for _, new, old in links if new in current and old not in current}


def script() -> str:
    """A JavaScript module with both."""
    names, replaced = orjson.dumps(current_names()), orjson.dumps(renamed())
    return f"export const NAMES = {names.decode()};\nexport const RENAMED = {replaced.decode()};\n"


def _table(name: str) -> list[str]:
    return (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8").splitlines()
