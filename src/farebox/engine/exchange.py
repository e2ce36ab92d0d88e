"""The hosted PBX's use-cases as one bundle, built once for a process."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from farebox.engine.attempts import Restraint
from farebox.engine.call_records import CallRecords
from farebox.engine.doorkeeping import FAILURES
from farebox.engine.exchange_admin import Admin
from farebox.engine.lines import Lines
from farebox.engine.operators import Operators
from farebox.engine.passwords import PASSWORD_CHARS_MIN, Passwords
from farebox.engine.sealing import Sealer
from farebox.locks import Attempts
from farebox.storage.pool import Pool

PURPOSE: Final = "pbx"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator of the server may set about this API."""

    # Whether refusals have HTTP statuses of their own; otherwise most of them have 200.
    is_compatible: bool = False
    cdr_days_max: int = 92
    password_chars_min: int = PASSWORD_CHARS_MIN


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """What the API of the hosted PBX calls."""

    policy: Policy
    operators: Operators
    lines: Lines
    calls: CallRecords
    admin: Admin


def build(
    pool: Pool,
    clock: Callable[[], int],
    by_kid: Mapping[str, str],
    attempts: Callable[[str, tuple[int, int]], Attempts],
    policy: Policy,
) -> Exchange:
    """The bundle, with secrets sealed by this key ring and failures counted by `attempts`."""
    restraint = Restraint(attempts("pbx-operator", FAILURES))
    return Exchange(
        policy=policy,
        operators=Operators(pool, clock, restraint, Passwords(), policy.password_chars_min),
        lines=Lines(pool, clock, Sealer(by_kid, PURPOSE)),
        calls=CallRecords(pool, clock, policy.cdr_days_max),
        admin=Admin(pool, clock),
    )
