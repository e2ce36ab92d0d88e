"""The hosted PBX's part: its bundle of use-cases, and months of calls that are put in order."""

from farebox.composition.ground import Ground, Part
from farebox.engine import exchange
from farebox.engine.call_months import CallMonths


async def compose(ground: Ground) -> Part:
    """The bundle, as the operator of the server has set it."""
    settings = ground.settings
    policy = exchange.Policy(
        is_compatible=settings.pbx_error_status == "compat",
        cdr_days_max=settings.pbx_cdr_max_days,
        password_chars_min=settings.pbx_password_min_length,
    )
    made = exchange.build(ground.pool, ground.clock, ground.keys.by_kid, ground.attempts, policy)
    ground.stack.callback(made.operators.close)
    months = CallMonths(ground.pool, ground.clock)
    return Part(slots={"exchange": made}, running={"call-months": months.run})
