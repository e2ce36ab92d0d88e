"""Effective terms: what a campaign and a voucher together allow (vending-commerce.md 4.10).

A `Campaign` is one reading of a campaign row and never changes; when a newer reading arrives the
old one is marked stale, and everything decided from it loses its comparison at the commit. Vouchers
with equal settings share one `Terms`. Nothing here knows counters or time.
"""

from typing import Any

import msgspec

from farebox.domain import windows
from farebox.domain.revisions import CalendarRevision
from farebox.domain.rules import NO_RULES, Rule, Rules, compile_rules

NEVER_MS = 2**63 - 1

_rules = msgspec.json.Decoder(list[Rule])
_revisions = msgspec.json.Decoder(list[CalendarRevision])


class Terms:
    """What a decision relies on beside the counters; equal settings are one object."""

    __slots__ = (
        "campaign", "currency", "frequency", "gift", "inherit", "limit", "products", "rules",
        "valid_for", "value", "zone",
    )  # fmt: skip

    def __init__(
        self,
        campaign: "Campaign",
        *,
        inherit: bool,
        gift: bool,
        value: int,
        limit: int,
        frequency: str,
        zone: str,
        currency: str,
        rules: Rules,
    ) -> None:
        self.campaign = campaign
        self.inherit = inherit
        self.gift = gift
        self.value = value
        self.limit = limit
        self.frequency = windows.FREQUENCIES.index(frequency)
        self.zone = zone
        self.currency = currency
        self.rules = rules
        self.products = rules.products
        self.valid_for = rules.valid_for_json.decode()


# Stands where there is no voucher.
NOTHING: Terms = Terms.__new__(Terms)


class Campaign:
    """One reading of a campaign: what its vouchers inherit, and the revision it was read at."""

    __slots__ = (
        "active", "calendar_revision", "calendar_revisions", "currency", "expires_before_ms",
        "frequency", "id", "limit", "owner", "revision", "rules", "stale", "terms", "type", "value",
        "zone",
    )  # fmt: skip

    def __init__(self, row: Any) -> None:
        self.id: int = row["id"]
        self.owner: int = row["owner"]
        self.type: str = row["type"]
        self.value: int = row["voucher_value"]
        self.limit: int = row["redemption_limit"]
        self.frequency: str = row["reset_frequency"]
        expires_before_ms = row["expires_before_ms"]
        self.expires_before_ms: int = NEVER_MS if expires_before_ms is None else expires_before_ms
        self.currency: str = row["currency"]
        self.zone: str = row["time_zone"]
        self.active: bool = row["status"] == "active"
        self.revision: int = row["policy_revision"]
        self.calendar_revision: int = row["calendar_revision"]
        self.rules: list[Rule] = _rules.decode(row["rules"])
        self.calendar_revisions: dict[int, CalendarRevision] = {
            revision.revision: revision for revision in _revisions.decode(row["calendar_revisions"])
        }
        self.stale = False
        self.terms: dict[tuple[Any, ...], Terms] = {}

    def terms_of(self, row: Any) -> Terms:
        """The terms of one of this campaign's vouchers, given its row."""
        if row["inherit"]:
            key: tuple[Any, ...] = (row["value"], row["rules"])
        else:
            key = (
                row["value"], row["rules"], row["type"], row["redemption_limit"],
                row["reset_frequency"], row["time_zone"], row["currency"],
            )  # fmt: skip
        terms = self.terms.get(key)
        if terms is None:
            terms = self.terms[key] = self._work_out(row)
        return terms

    def _work_out(self, row: Any) -> Terms:
        own_rules = _rules.decode(row["rules"]) if row["rules"] else []
        rules = compile_rules(self.rules, own_rules) if own_rules or self.rules else NO_RULES
        if row["inherit"]:
            return Terms(
                self,
                inherit=True,
                gift=self.type == "gift",
                value=self.value if row["value"] is None else row["value"],
                limit=self.limit,
                frequency=self.frequency,
                zone=self.zone,
                currency=self.currency,
                rules=rules,
            )
        return Terms(
            self,
            inherit=False,
            gift=row["type"] == "gift",
            value=row["value"],
            limit=row["redemption_limit"],
            frequency=row["reset_frequency"],
            zone=row["time_zone"],
            currency=row["currency"],
            rules=rules,
        )
