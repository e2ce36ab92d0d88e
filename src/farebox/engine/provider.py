"""The internet provider's use-cases as one bundle, built once for a process."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from farebox.engine.areas import Areas
from farebox.engine.attempts import Restraint
from farebox.engine.auditing import Audit
from farebox.engine.credentials import Credentials
from farebox.engine.groups import Groups
from farebox.engine.metering import Metering
from farebox.engine.sealing import Sealer
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Pool

PURPOSE: Final = "isp"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What the API of the provider calls."""

    credentials: Credentials
    audit: Audit
    areas: Areas
    groups: Groups
    subscribers: Subscribers
    metering: Metering


def build(
    pool: Pool, clock: Callable[[], int], by_kid: Mapping[str, str], failures: Restraint
) -> Provider:
    """The bundle, with secrets sealed by this key ring."""
    sealer = Sealer(by_kid, PURPOSE)
    return Provider(
        credentials=Credentials(pool, clock, sealer, failures),
        audit=Audit(pool, clock),
        areas=Areas(pool, clock),
        groups=Groups(pool, clock),
        subscribers=Subscribers(pool, clock),
        metering=Metering(pool, clock),
    )
