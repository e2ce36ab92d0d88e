"""The internet provider's part: its bundle of use-cases, jobs, and the far sides of a demo."""

from pathlib import Path

from farebox.composition.ground import Ground, Part
from farebox.domain import attributes
from farebox.engine import alerting, expiring, provider, usage
from farebox.engine.moving import SWEEP_S
from farebox.jobs import MovingClock
from farebox.outbound.simulators import Simulators
from farebox.settings import SettingsError


async def compose(ground: Ground) -> Part:
    """The bundle, with stubs in the place of gateways and access servers where that is set."""
    settings, stack = ground.settings, ground.stack
    if settings.isp_dictionary is not None:
        _learn(settings.isp_dictionary)
    simulators = None
    if settings.simulates:
        simulators = Simulators()
        await simulators.start()
        stack.push_async_callback(simulators.stop)
    made = provider.build(
        ground.pool,
        ground.clock,
        ground.keys.by_kid,
        ground.attempts,
        moving=MovingClock(ground.clock),
        networks=settings.webhook_networks,
        targets=settings.isp_private_targets,
        delays_ms=[delay_s * 1000 for delay_s in settings.isp_coa_delays],
        simulators=simulators,
    )
    stack.push_async_callback(made.sms.close)
    ground.metrics.read_each(
        "farebox_isp_requests", "Requests to devices of the network", ("job", "answer"),
        made.telling.counted.items,
    )  # fmt: skip
    return Part(
        slots={"provider": made},
        running={"telling": made.telling.run},
        handlers=made.handlers,
        chores={
            "usage alerts": (alerting.SWEEP_S, made.alerts.sweep),
            "expiries": (expiring.SWEEP_S, expiring.Expiries(ground.pool, ground.clock).sweep),
            "moves": (SWEEP_S, made.moves.apply_due),
            "usage": (usage.SWEEP_S, made.usage.sweep),
        },
    )


def _learn(folder: Path) -> None:
    """Adds the dictionaries of a folder, in the order of their names."""
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            attributes.learn(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SettingsError(f"FAREBOX_ISP_DICTIONARY: {path.name}: {error}") from None
