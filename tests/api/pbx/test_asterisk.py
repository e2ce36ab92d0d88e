"""Lines for Asterisk: whatever they are called, it has them as the API tells them (pbx.md 1.3)."""

import random
import string
from pathlib import Path
from typing import Any

import pytest

from farebox.engine.exchange_export import export_asterisk
from tests.api.pbx import asterisk
from tests.api.pbx.asterisk import Seen
from tests.api.pbx.conftest import Exchange
from tests.api.pbx.test_admin import ask
from tests.conftest import says

# Everything that a secret may have.
CHARS = "".join(sorted({*map(chr, range(33, 127))} - {";", '"'}))
# What lines are called, their caller ids, hosts and secrets: all that the format might trip over.
ODD: tuple[tuple[str, str, str, str, str], ...] = (
    ("300", "a;b", "", "dynamic", ">s.3$cret"),
    ("301", "back\\slash", "+4420", "10.0.0.1", "#include<x>"),
    ("302", "\\;--x--\\", "", "pbx.example.test:5070", "[global](!)"),
    ("*7", "#exec ls", "", "::1", "=>=>=>=>"),
    ("#9", "Ünïcode", "", "dynamic", "trailing\\"),
    ("303", "a, b = c", "5551", "dynamic", CHARS[:47]),
    ("304", "$[1 + 1] ${x}", "", "dynamic", CHARS[47:]),
)
BOXES = ("300", "301", "302", "*7", "#9")


async def _made(exchange: Exchange, tenant: str, odd: Any) -> dict[str, Seen]:
    """Makes the lines and mailboxes of a tenant: what lines have to be, by name."""
    expected = {}
    for number, name, cidnum, host, secret in odd:
        line = {"te_id": tenant, "ex_name": "x", "ex_number": number, "ex_cidname": name,
                "ex_cidnum": cidnum, "host": host, "secret": secret}  # fmt: skip
        made = await ask(exchange, "POST", "extensions", line, 201)
        where = {"tenant_id": tenant, "extension_id": made["ex_id"]}
        (peer,) = await exchange.data("/extension/user", **where)
        assert (secret, host) == (peer["secret"], peer["host"])
        is_box = number in BOXES and number[0] not in "*#"
        place = "" if host == "dynamic" else f"sip:{host}".replace("::1", "[::1]")
        expected[peer["name"]] = Seen(
            peer["secret"], f'"{name}" <{cidnum or number}>', "Odd",
            f"{number}@Odd" if is_box else "", place,
        )  # fmt: skip
    for number in BOXES:
        box = {"te_id": tenant, "mailbox": number, "fullname": f"Ann; B\\C {number}"}
        await ask(exchange, "POST", "voicemails", box, 201)
    return expected


async def _export(exchange: Exchange, folder: Path) -> None:
    services = exchange.api.services
    texts = await export_asterisk(services.pool, exchange.clock, services.exchange.lines, "Odd")
    for name, text in texts.items():
        (folder / name).write_text(text)


def test_asterisk_has_the_lines(
    exchange: Exchange, tmp_path: Path, random_source: random.Random, request: pytest.FixtureRequest
) -> None:
    """Secrets, caller ids, mailboxes and places are the same there; a telephone is let in."""
    made_up = tuple(
        (str(400 + number), "".join(random_source.choices(string.printable[:94], k=9))
         .translate({ord(char): "x" for char in '"<>'}), "", "dynamic",
         "".join(random_source.choices(CHARS, k=12)))
        for number in range(5)
    )  # fmt: skip
    odd = (*ODD, *made_up)

    async def run() -> dict[str, Seen]:
        tenant = await ask(exchange, "POST", "tenants", {"te_name": "Odd", "te_code": "Odd"}, 201)
        expected = await _made(exchange, tenant["te_id"], odd)
        await _export(exchange, tmp_path)
        await ask(exchange, "DELETE", f"tenants/{tenant['te_id']}?cascade=1")
        return expected

    expected = exchange.run(run())
    boxes = {("Odd", number, f"Ann; B\\C {number}") for number in ("300", "301", "302")}
    lines, found = asterisk.read(tmp_path)
    assert expected == {name: lines[name] for name in expected}
    assert boxes == found
    if asterisk.program() is None:
        says(request.node, "Asterisk is not installed: its files were read by its rules alone")
        return
    with asterisk.running(tmp_path) as program:
        assert expected == {name: program.line(name) for name in expected}
        assert boxes == program.boxes()
        for number, _, _, host, secret in odd:
            if host == "dynamic":
                assert 200 == program.registers(f"{number}-Odd", secret), number
                assert 401 == program.registers(f"{number}-Odd", secret + "x"), number
        version = program.told("core show version").split(" built ")[0]
    says(request.node, f"{version} has read its files and let telephones in")
