"""Which time zone a country has, where it has only one.

Read from the tables of ISO codes and English names that the tzdata package carries.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources


def only_zone(country: str) -> str | None:
    """The zone of a country named by ISO code or in English; None if it has several or none."""
    return _zones().get(country.strip().casefold())


@cache
def _zones() -> Mapping[str, str]:
    zones: dict[str, list[str]] = defaultdict(list)
    for code, _, zone, *_ in _rows("zone.tab"):
        zones[code].append(zone)
    found: dict[str, str] = {}
    for code, name in _rows("iso3166.tab"):
        if len(zones[code]) == 1:
            found[code.casefold()] = found[name.casefold()] = zones[code][0]
    return found


def _rows(table: str) -> Iterator[list[str]]:
    text = (resources.files("tzdata") / "zoneinfo" / table).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")
