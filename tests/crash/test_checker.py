"""How edits are judged: which answers contradict which acknowledged switch."""

import json
from itertools import count

import pytest

from tests.crash import checker
from tests.crash.ledger import Attempt, Edit, Ledger
from tests.crash.load import World

WORLD = World(edited=["EDITED-0"], edited_campaign=4)
ON, OFF = {"status": "active"}, {"status": "inactive"}
_orders = count()


def redeemed(sent_at: float, reason: str = "") -> Attempt:
    """A call of one second, accepted or refused."""
    answer = json.dumps({"redeemed": not reason, "reason": reason}).encode()
    order = f"o{next(_orders)}"
    return Attempt("D1", order, "EDITED-0", {}, sent_at, sent_at + 1, answer)


def judge(edits: list[Edit], attempt: Attempt, kills: list[float]) -> bool:
    """Whether the answer broke a promise."""
    ledger = Ledger({(attempt.device, attempt.order): attempt}, edits, kills=kills)
    return bool(checker._edits(WORLD, ledger))


# Switched on at 0 (first given up, where that is said), off at 10, on again at 40.
@pytest.mark.parametrize(
    ("sent_at", "reason", "given_up", "kills", "is_broken"),
    [
        (20, "campaign_not_active", False, [], False),
        (20, "", False, [], True),
        (2, "", False, [], False),
        (2, "campaign_not_active", False, [], True),
        # Sent before the switch was acknowledged, or answered after the next one was sent.
        (10.5, "", False, [], False),
        (39.5, "", False, [], False),
        (20, "order_rolled_back", False, [], False),
        # What a living server was asked and its client gave up may come late ...
        (20, "", True, [], False),
        (20, "", True, [0.5, 15], False),
        # ... but not from a server that was killed in between.
        (20, "", True, [8], True),
    ],
)
def test_answers_beside_switches(
    sent_at: float, reason: str, given_up: bool, kills: list[float], is_broken: bool
) -> None:
    """An answer is judged by the switch before it, unless an earlier one may have come late."""
    edits = [
        Edit(4, ON, 0, 1, given_up_at=0.9 if given_up else 0.0),
        Edit(4, OFF, 10, 11),
        Edit(4, ON, 40, 41),
    ]
    assert is_broken == judge(edits, redeemed(sent_at, reason), kills)


def test_a_given_up_switch_to_the_same_side_is_no_doubt() -> None:
    """Coming late it changes nothing."""
    edits = [Edit(4, OFF, 10, 11, given_up_at=10.5), Edit(4, ON, 40, 41)]
    assert judge(edits, redeemed(20), [])
