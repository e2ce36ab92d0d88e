"""What operators write down for a subscriber (isp.md 4.9): home, addresses, ledger, renewals,
top-ups.

Lines of the ledger want an `Idempotency-Key`: nothing else tells a repeat from another payment.
"""

from ipaddress import ip_address
from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import Answer, Call, created, data, gone, success
from farebox.api.isp.kinds import ID, MONEY, NAME, Kind, choice, text
from farebox.api.isp.listing import PAGING, listed
from farebox.api.isp.operating import maybe, operation
from farebox.domain import thousandths, wall_clocks
from farebox.domain.errors import InvalidError
from farebox.domain.quotas import BYTES_MAX, UNITS

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


def _read_volume(value: object) -> int:
    written = str(value).strip().removeprefix("-") if not isinstance(value, bool) else ""
    if not (written.isascii() and written.isdigit() and len(written) < 20):
        raise ValueError("must be a whole number of bytes")
    if not 0 < int(written) <= BYTES_MAX:
        raise ValueError(f"must lie between -{BYTES_MAX} and {BYTES_MAX}, and not be 0")
    return int(str(value).strip())


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
    return created({"id": str(made), "staticIpAddress": ip, "staticIpBoundMac": mac})


async def list_static_addresses(call: Call) -> Answer:
    """The fixed addresses of a subscriber."""
    rows = await call.services.provider.estate.addresses(call.account.id, call["userId"])
    return data([
        {"id": str(row["id"]), "staticIpAddress": row["ip"], "staticIpBoundMac": row["mac"]}
        for row in rows
    ])  # fmt: skip


async def delete_static_address(call: Call) -> Answer:
    """The end of a fixed address."""
    await call.services.provider.estate.resign(call.account.id, call["userId"], call["rowId"])
    return gone()


async def top_up(call: Call) -> Answer:
    """More volume for the present window, or less."""
    if call["bytes"] is None and (call["amount"] is None or call["unit"] is None):
        raise InvalidError("bytes is required", "missing_argument")
    given = call["bytes"]
    if given is None:
        given = call["amount"] * UNITS[call["unit"]] // 1000
    meter = await call.services.provider.topups.add(call.account.id, call["userId"], given)
    verdict = meter.verdict
    told = {"topup": meter.usage.topup, "used": verdict.used, "effective": verdict.effective}
    return created({**told, "remaining": verdict.remaining})


def _entry(kind: str) -> Any:
    async def enter(call: Call) -> Answer:
        if not call.repeat_key:
            raise InvalidError("Idempotency-Key is required", "missing_argument")
        row = await call.services.provider.estate.enter(
            call.account.id, call["userId"], kind, _SIGNS[kind] * call["amount"],
            call["reference"],
        )  # fmt: skip
        return created(_line(row, call.account.time_zone))

    return enter


async def get_ledger(call: Call) -> Answer:
    """The lines of a subscriber's ledger."""
    provider, zone = call.services.provider, call.account.time_zone

    async def fetch(after: int, most: int) -> Any:
        return await provider.estate.ledger(call.account.id, call["userId"], after, most)

    answer: Answer = await listed(call, fetch, lambda row: _line(row, zone))
    return answer


def _line(row: Any, zone: str) -> dict[str, str]:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "amount": thousandths.text(row["amount_thousandths"]),
        "reference": row["reference"],
        "at": wall_clocks.text(row["created_at_ms"], zone),
    }


async def renew(call: Call) -> Answer:
    """The package's validity once more."""
    end_ms = await call.services.provider.estate.renew(
        call.account.id, call["userId"], call.caller.token
    )
    return data({"expirationTime": wall_clocks.text(end_ms, call.account.time_zone)})


def _of_user(noun: str, method: str, path: str, run: Any, *takes: Argument, **more: Any) -> Any:
    path = f"users/{{userId}}/{path}"
    return operation(noun, method, path, run, Argument("userId", ID), *takes, **more)


def _of_money(kind: str, amount: Kind) -> Any:
    return _of_user(
        f"{kind.upper()}-CREATE", "POST", f"{kind}s", _entry(kind), Argument("amount", amount),
        maybe("reference", NAME, ""), repeatable=True, status=201,
    )  # fmt: skip


_SIGNED: Final = Kind(_read_signed)
OPERATIONS: Final = (
    _of_user("LOCATION-SET", "PUT", "location", set_location, maybe("latitude", text(32)),
             maybe("longitude", text(32)), maybe("areaId", ID), maybe("streetId", ID),
             maybe("blockId", ID)),
    _of_user("STATICIP-LIST", "GET", "static_ips", list_static_addresses),
    _of_user("STATICIP-CREATE", "POST", "static_ips", add_static_address,
             maybe("staticIpAddress", Kind(_read_ip)), maybe("staticIpBoundMac", Kind(_read_mac)),
             status=201),
    _of_user("STATICIP-DELETE", "DELETE", "static_ips/{rowId}", delete_static_address,
             Argument("rowId", ID), status=204),
    _of_money("charge", MONEY),
    _of_money("payment", MONEY),
    _of_money("adjustment", _SIGNED),
    _of_user("LEDGER-LIST", "GET", "ledger", get_ledger, *PAGING),
    _of_user("USER-RENEW", "POST", "renew", renew, repeatable=True),
    _of_user("TOPUP-CREATE", "POST", "topups", top_up, maybe("bytes", Kind(_read_volume, int)),
             maybe("amount", _SIGNED), maybe("unit", choice(*UNITS)), repeatable=True, status=201),
)  # fmt: skip
