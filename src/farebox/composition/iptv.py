"""The IPTV portal's part: its bundle of use-cases, and boxes that wait for their events."""

import structlog

from farebox.composition.ground import Ground, Part
from farebox.engine import portal
from farebox.engine.box_events import CHANNEL
from farebox.engine.boxes import SWEEP_S

_log = structlog.get_logger("farebox")


async def compose(ground: Ground) -> Part:
    """The bundle, as the operator of the server has set it."""
    settings = ground.settings
    if not settings.iptv_auth_required:
        _log.warning("iptv.open", reason="FAREBOX_IPTV_AUTH_REQUIRED is false")
    policy = portal.Policy(
        is_compatible=settings.iptv_error_status == "compat",
        is_closed=settings.iptv_auth_required,
        time_zone=settings.iptv_timezone,
        may_change_all=settings.iptv_allow_multiple_stb_update,
        is_vendor_only=settings.iptv_mac_oui_only,
        watchdog_s=settings.iptv_watchdog_timeout,
        is_billing=settings.iptv_enable_internal_billing,
        has_resellers=settings.iptv_allow_resellers_info_for_api,
        knows_addresses=settings.iptv_device_mac_only_auth,
        subscription_changed_msg=settings.iptv_subscription_changed_msg,
    )
    made = portal.build(ground.pool, ground.clock, ground.attempts, policy)
    ground.metrics.read_from(
        "farebox_iptv_events_given_way", "Events that a full queue has ended",
        lambda: made.events.given_way,
    )  # fmt: skip
    ground.stack.callback(made.passwords.close)
    ground.stack.push_async_callback(made.sightings.close)

    def hear(named: str) -> None:
        made.polls.wake(named)
        made.events.hear(named)

    return Part(
        slots={"portal": made},
        chores={"boxes": (SWEEP_S, made.boxes.sweep)},
        heard={CHANNEL: hear},
        running={"sightings": made.sightings.run},
    )
