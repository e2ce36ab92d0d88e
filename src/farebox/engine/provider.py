"""The internet provider's use-cases as one bundle, built once for a process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.engine.addressing import Addressing
from farebox.engine.alerting import Alerts
from farebox.engine.areas import Areas
from farebox.engine.attempts import Restraint
from farebox.engine.auditing import Audit
from farebox.engine.authorizing import Authorizing
from farebox.engine.collecting import Collecting
from farebox.engine.credentials import FAILURES, Credentials
from farebox.engine.departures import Departures
from farebox.engine.estate import Estate
from farebox.engine.evaluating import Evaluating
from farebox.engine.groups import Groups
from farebox.engine.limits import Limits
from farebox.engine.metering import Metering
from farebox.engine.moving import Moves
from farebox.engine.network import Network
from farebox.engine.notices import JOB as NOTICE
from farebox.engine.notices import Notices
from farebox.engine.overriding import Overrides
from farebox.engine.passwords_kept import KeptPasswords
from farebox.engine.renewals import Renewals
from farebox.engine.roster import Roster
from farebox.engine.sealing import Sealer
from farebox.engine.subscribers import Subscribers
from farebox.engine.telling import DELAYS_MS, Telling
from farebox.engine.topping import Topups
from farebox.engine.usage import UsageBook
from farebox.engine.zones import Zones
from farebox.locks import Attempts
from farebox.outbound.reach import Reach
from farebox.outbound.simulators import Simulators
from farebox.outbound.sms import Sms
from farebox.storage.pool import Pool

PURPOSE: Final = "isp"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What the API of the provider calls."""

    credentials: Credentials
    audit: Audit
    zones: Zones
    estate: Estate
    usage: UsageBook
    areas: Areas
    groups: Groups
    subscribers: Subscribers
    roster: Roster
    metering: Metering
    evaluating: Evaluating
    collecting: Collecting
    renewals: Renewals
    moves: Moves
    topups: Topups
    authorizing: Authorizing
    overrides: Overrides
    departures: Departures
    passwords: KeptPasswords
    network: Network
    telling: Telling
    notices: Notices
    addressing: Addressing
    alerts: Alerts
    limits: Limits
    sms: Sms
    # The far sides of a demonstration; None beside real accounts.
    simulators: Simulators | None

    @property
    def handlers(self) -> dict[str, Callable[[dict[str, Any], int], Awaitable[None]]]:
        """The jobs of the outbox that are the provider's, by kind."""
        return {NOTICE: self.notices.run}


def build(
    pool: Pool,
    clock: Callable[[], int],
    by_kid: Mapping[str, str],
    attempts: Callable[[str, tuple[int, int]], Attempts],
    *,
    moving: Callable[[], int],
    networks: Sequence[str] = (),
    targets: Sequence[str] = (),
    delays_ms: Sequence[int] = DELAYS_MS,
    simulators: Simulators | None = None,
) -> Provider:
    """The bundle, with secrets sealed by this key ring and calls counted by `attempts`.

    Jobs are due by the `moving` clock; a silent device is asked again after `delays_ms`. Gateways
    and mail servers in listed `networks`, or that are listed `targets`, may be private.
    """
    ports = simulators.ports if simulators else {}
    targets = [*targets, *(f"127.0.0.1:{port}" for port in ports.values())]
    sms = Sms(networks, targets)
    sealer = Sealer(by_kid, PURPOSE)
    failures = Restraint(attempts("isp-credential", FAILURES))
    limits = Limits(attempts)
    metering = Metering(pool, clock)
    subscribers = Subscribers(pool, clock)
    passwords = KeptPasswords(pool, clock, sealer, limits)
    notices = Notices(pool, clock, moving, sealer, sms, ports, Reach(networks, targets))
    credentials = Credentials(pool, clock, sealer, failures)
    addressing = Addressing(pool, clock, notices, metering, passwords, limits)
    network = Network(pool, clock, sealer, limits, ports)
    return Provider(
        credentials=credentials,
        estate=Estate(pool, clock),
        usage=UsageBook(pool, clock),
        zones=Zones(pool, clock, credentials, sealer),
        audit=Audit(pool, clock),
        areas=Areas(pool, clock),
        groups=Groups(pool, clock),
        subscribers=subscribers,
        roster=Roster(pool, clock, subscribers, metering),
        metering=metering,
        evaluating=Evaluating(pool, clock),
        collecting=Collecting(pool, clock),
        renewals=Renewals(pool, clock),
        moves=Moves(pool, clock),
        topups=Topups(pool, clock),
        authorizing=Authorizing(pool, clock, metering, passwords),
        overrides=Overrides(pool, clock),
        departures=Departures(pool, clock),
        passwords=passwords,
        network=network,
        telling=Telling(pool, clock, moving, network, delays_ms),
        notices=notices,
        addressing=addressing,
        alerts=Alerts(pool, clock, metering, notices, addressing),
        limits=limits,
        sms=sms,
        simulators=simulators,
    )
