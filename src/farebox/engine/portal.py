"""The IPTV portal's use-cases as one bundle, built once for a process."""

from collections.abc import Callable

import msgspec

from farebox.engine.attempts import Restraint
from farebox.engine.box_events import Events
from farebox.engine.box_polls import FAILURES as POLL_FAILURES
from farebox.engine.box_polls import Polls
from farebox.engine.boxes import Boxes, Rules
from farebox.engine.doorkeeping import FAILURES
from farebox.engine.offers import Offers
from farebox.engine.passwords import Passwords
from farebox.engine.portal_users import PortalUsers
from farebox.engine.resellers import Resellers
from farebox.engine.sightings import Sightings
from farebox.engine.subscriptions import Subscriptions
from farebox.locks import Attempts
from farebox.storage.pool import Pool


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator of the server may set about this API."""

    # Whether refusals have HTTP status 200; otherwise statuses of their own.
    is_compatible: bool = True
    is_closed: bool = True
    time_zone: str = "UTC"
    # Whether a change of boxes may name none and mean all.
    may_change_all: bool = False
    is_vendor_only: bool = False
    watchdog_s: int = 120
    is_billing: bool = False
    has_resellers: bool = True
    # Whether boxes of accounts without a password are let in by their address alone.
    knows_addresses: bool = True
    subscription_changed_msg: str = ""


class Portal(msgspec.Struct, frozen=True, kw_only=True):
    """What the API of the IPTV portal calls."""

    policy: Policy
    passwords: Passwords
    users: PortalUsers
    boxes: Boxes
    events: Events
    polls: Polls
    sightings: Sightings
    offers: Offers
    resellers: Resellers
    subscriptions: Subscriptions


def build(
    pool: Pool,
    clock: Callable[[], int],
    attempts: Callable[[str, tuple[int, int]], Attempts],
    policy: Policy,
) -> Portal:
    """The bundle, with failures counted by `attempts`."""
    passwords = Passwords()
    events = Events(pool, clock, policy.watchdog_s)
    rules = Rules(is_billing=policy.is_billing, watchdog_s=policy.watchdog_s)
    boxes = Boxes(pool, clock, events, passwords, rules)
    sightings = Sightings(pool, clock)
    polls = Polls(
        pool, clock, boxes, passwords, Restraint(attempts("iptv-box", POLL_FAILURES)), sightings,
        is_billing=policy.is_billing, knows_addresses=policy.knows_addresses,
    )  # fmt: skip
    return Portal(
        policy=policy,
        passwords=passwords,
        users=PortalUsers(pool, Restraint(attempts("iptv-user", FAILURES)), passwords),
        boxes=boxes,
        events=events,
        polls=polls,
        sightings=sightings,
        offers=Offers(pool),
        resellers=Resellers(pool, clock),
        subscriptions=Subscriptions(clock, boxes, events, policy.subscription_changed_msg),
    )
