"""What every HTTP module is given: the objects that the composition root has built, once.

Nothing here opens or closes anything; a slot is filled before the application answers its first
request. API modules read settings only through `Options`, never from the environment.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from farebox.engine.access import Access
from farebox.engine.people import People
from farebox.web import Proxies


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that handlers need, already checked."""

    public_url: str = ""
    list_hard_cap: int = 10_000
    default_time_zone: str = "Europe/Amsterdam"
    # Thirteen months, whichever they are.
    archive_after_ms: int = 397 * 86_400_000
    reporting_currency: str = "EUR"


class Services(msgspec.Struct, kw_only=True):
    """The built objects of one process."""

    options: Options
    clock: Callable[[], int]
    pool: Any
    access: Access
    people: People
    proxies: Proxies
    leases: Any = None
    desk: Any = None
    places: Any = None
    issuance: Any = None
    campaigns: Any = None
    vouchers: Any = None
    ingestion: Any = None
    devices: Any = None
    sheets: Any = None
    shifts: Any = None
    commands: Any = None
    deliveries: Any = None
    network_keys: Any = None
    presence: Any = None
    watching: Any = None
    revenue: Any = None
    columns: Any = None
    worker: Any = None
    metrics: Any = None
    provider: Any = None
    exchange: Any = None
    portal: Any = None
