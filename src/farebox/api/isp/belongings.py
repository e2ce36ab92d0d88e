"""What operators write down for a subscriber (isp.md 4.9): home, addresses, ledger, renewals.

Lines of the ledger want an `Idempotency-Key`: nothing else tells a repeat from another payment.
"""

from ipaddress import ip_address
from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, data, success
from farebox.api.isp.kinds import ID, MONEY, NAME, Kind, text
from farebox.api.isp.listing import PAGING, listed
from farebox.domain import thousandths, wall_clocks
from farebox.domain.errors import InvalidError

# Which way a line of the ledger goes: what is owed is positive.
_SIGNS: Final = {"charge": 1, "payment": -1, "adjustment": 1}


def _read_ip(value: object) -> str:
    try:
        return str(ip_address(str(value).strip()))
    except ValueError:
        raise ValueError("must be an IP address") from None


def _read_mac(value: object) -> str:
    bare = "".join(one for one in str(value) if one not in ":-.")
    if len(bare) != 12 or not all(one in "0123456789abcdefABCDEF" for one in bare):
        raise ValueError("must be a MAC address")
    return ":".join(bare[at : at + 2] for at in range(0, 12, 2)).upper()


def _read_signed(value: object) -> int:
    written = repr(value) if isinstance(value, float) else str(value).strip()
    amount: int = MONEY.read(written.removeprefix("-"))
    return -amount if written.startswith("-") else amount


async def set_location(call: Call) -> Answer:
    """Where a subscriber lives."""
    await call.services.provider.estate.settle_in(call.account.id, call["userId"], call.values)
    return success()


async def add_static_address(call: Call) -> Answer:
    """A fixed address."""
    ip, mac = call["staticIpAddress"], call["staticIpBoundMac"]
    if not ip and not mac:
        raise InvalidError("staticIpAddress is required", "missing_argument")
    made = await call.services.provider.estate.assign(call.account.id, call["userId"], ip, mac)
    return success({"X-Resource-Id": str(made)})


def _entry(kind: str) -> Any:
    async def enter(call: Call) -> Answer:
        if not call.repeat_key:
            raise InvalidError("Idempotency-Key is required", "missing_argument")
        await call.services.provider.estate.enter(
            call.account.id, call["userId"], kind, _SIGNS[kind] * call["amount"],
            call["reference"],
        )  # fmt: skip
        return success()

    return enter


async def get_ledger(call: Call) -> Answer:
    """The lines of a subscriber's ledger."""
    provider, zone = call.services.provider, call.account.time_zone

    async def fetch(after: int, most: int) -> Any:
        return await provider.estate.ledger(call.account.id, call["userId"], after, most)

    def line(row: Any) -> dict[str, str]:
        return {
            "id": str(row["id"]),
            "kind": row["kind"],
            "amount": thousandths.text(row["amount_thousandths"]),
            "reference": row["reference"],
            "at": wall_clocks.text(row["created_at_ms"], zone),
        }

    answer: Answer = await listed(call, fetch, line)
    return answer


async def renew(call: Call) -> Answer:
    """The package's validity once more."""
    end_ms = await call.services.provider.estate.renew(
        call.account.id, call["userId"], call.caller.token
    )
    return data({"expirationTime": wall_clocks.text(end_ms, call.account.time_zone)})


def _operation(
    noun: str, method: str, path: str, run: Any, *takes: Argument, repeatable: bool = False
) -> Operation:
    return Operation(
        id=f"ISP-X-{noun}", method=method, path=f"users/{{userId}}/{path}", scope="admin", run=run,
        gives=dict[str, Any], takes=(Argument("userId", ID), *takes), repeatable=repeatable,
        fixed=3,
    )  # fmt: skip


def _maybe(name: str, kind: Kind, default: Any = None) -> Argument:
    return Argument(name, kind, required=False, default=default)


OPERATIONS: Final = (
    _operation("LOCATION-SET", "PUT", "location", set_location, _maybe("latitude", text(32)),
               _maybe("longitude", text(32)), _maybe("areaId", ID), _maybe("streetId", ID),
               _maybe("blockId", ID)),
    _operation("STATICIP-CREATE", "POST", "static_ips", add_static_address,
               _maybe("staticIpAddress", Kind(_read_ip)),
               _maybe("staticIpBoundMac", Kind(_read_mac))),
    _operation("CHARGE-CREATE", "POST", "charges", _entry("charge"), Argument("amount", MONEY),
               _maybe("reference", NAME, ""), repeatable=True),
    _operation("PAYMENT-CREATE", "POST", "payments", _entry("payment"), Argument("amount", MONEY),
               _maybe("reference", NAME, ""), repeatable=True),
    _operation("ADJUSTMENT-CREATE", "POST", "adjustments", _entry("adjustment"),
               Argument("amount", Kind(_read_signed)), _maybe("reference", NAME, ""),
               repeatable=True),
    _operation("LEDGER-LIST", "GET", "ledger", get_ledger, *PAGING),
    _operation("USER-RENEW", "POST", "renew", renew, repeatable=True),
)  # fmt: skip
