"""Expiry texts: the normalised form and the first instant that is too late."""

import pytest

from farebox.domain import expiry
from farebox.domain.errors import InvalidError

AMSTERDAM = "Europe/Amsterdam"


@pytest.mark.parametrize(
    ("expected_text", "expected_ms", "text", "zone"),
    [
        ("2026-03-29", 1774821600000, "2026-03-29", AMSTERDAM),
        ("2026-12-31", 1798758000000, "2026-12-31", AMSTERDAM),
        ("2026-12-31T18:00:00", 1798736401000, "2026-12-31 18:00:00", AMSTERDAM),
        ("2026-12-31T18:00:00", 1798736401000, "2026-12-31T18:00", AMSTERDAM),
        ("2026-12-31T18:00:00", 1798736401000, "2026-12-31T18:00:00.999", AMSTERDAM),
        ("2026-10-25T02:30:00", 1792891801000, "2026-10-25T02:30:00", AMSTERDAM),
        ("2026-03-29T02:30:00", 1774747801000, "2026-03-29T02:30:00", AMSTERDAM),
        ("2026-12-31T23:59:59Z", 1798761600000, "2026-12-31T23:59:59Z", AMSTERDAM),
        ("2026-12-31T23:59:59Z", 1798761600000, "2026-12-31T23:59:59Z", "Asia/Kathmandu"),
        ("2026-12-31T22:59:59Z", 1798758000000, "2026-12-31T23:59:59+01:00", "Asia/Kathmandu"),
        ("2026-04-23", 1776981600000, "2026-04-23", "Africa/Cairo"),
        ("2011-12-29", 1325239200000, "2011-12-29", "Pacific/Apia"),
    ],
)
def test_expiry(expected_text: str, expected_ms: int, text: str, zone: str) -> None:
    """The table of vending-commerce.md 4.3, and the forms that mean the same."""
    assert (expected_text, expected_ms) == expiry.parse_expiry(text, zone)


@pytest.mark.parametrize("text", ["31/12/2026", "tomorrow", "2026-12-31T18:00:00 +01:00"])
def test_unreadable_expiry(text: str) -> None:
    """Anything else is an argument error."""
    with pytest.raises(InvalidError):
        expiry.parse_expiry(text, AMSTERDAM)


def test_unknown_zone() -> None:
    """A zone that the database of zones does not know has its own code."""
    with pytest.raises(InvalidError) as refusal:
        expiry.parse_expiry("2026-12-31", "Mars/Base")
    assert "invalid_time_zone" == refusal.value.code


def test_normalised_text_means_the_same_again() -> None:
    """Reading back the stored text gives the stored instant."""
    for text in ("2026-03-29", "2026-10-25 02:30", "2026-12-31T23:59:59+05:30"):
        normalised, expires_before_ms = expiry.parse_expiry(text, AMSTERDAM)
        assert expires_before_ms == expiry.again(normalised, AMSTERDAM)


def test_another_zone_moves_local_texts_only() -> None:
    """Days and wall clocks move with the zone, instants stay, nothing stays nothing."""
    assert 1798758000000 - 3_600_000 * 10 == expiry.again("2026-12-31", "Australia/Sydney")
    assert 1798761600000 == expiry.again("2026-12-31T23:59:59Z", "Australia/Sydney")
    assert expiry.again(None, AMSTERDAM) is None
