"""The internet provider's part: its bundle of use-cases, jobs, and the far sides of a demo."""

from farebox.composition.ground import Ground, Part
from farebox.engine import provider
from farebox.engine.moving import SWEEP_S
from farebox.jobs import MovingClock
from farebox.outbound.simulators import Simulators


async def compose(ground: Ground) -> Part:
    """The bundle, with stubs in the place of gateways and access servers where that is set."""
    settings, stack = ground.settings, ground.stack
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
        chores={"moves": (SWEEP_S, made.moves.apply_due)},
    )
