"""One worker process to be measured: the product, or its lane with a desk that does nothing.

`python -m benchmarks.http_server DSN DATA_DIR SECRET product|noop` prints its port and serves until
SIGTERM; the product reads all vouchers ahead first. The no-op form reads, recognises, authenticates
and decodes exactly as the product's lane does and answers a constant; behind it stands one typed
handler of the framework that does nothing.
"""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop
from litestar import Litestar, post

from benchmarks.baselines import RESPONSE
from farebox.api.services import Services
from farebox.api.vending.lane import Lane
from farebox.app import assemble, open_services, spare_collector
from farebox.cli.serving import server_config
from farebox.engine.calls import Answer, Call
from farebox.settings import Settings
from farebox.web import ASGI, Receive, Scope, Send

# Longer than reading all vouchers ahead takes.
WARM_S = 120
TYPED_PATH = "/typed/{code:str}/redeem"


class Order(msgspec.Struct):
    """An order as the typed handler decodes it."""

    id: str
    amount: int


class Body(msgspec.Struct, rename="camel"):
    """A redeem as the typed handler decodes it."""

    device_id: str
    order: Order


class Discount(msgspec.Struct, rename="camel"):
    """What the typed handler takes off: nothing."""

    type: str
    amount_off: int


class Redeemed(msgspec.Struct, rename="camel"):
    """An answer as the typed handler encodes it."""

    code: str
    voucher_id: str
    redeemed: bool
    discount: Discount


@post(TYPED_PATH, status_code=200)
async def typed(code: str, data: Body) -> Redeemed:
    """Decodes, does nothing, encodes."""
    return Redeemed(code, data.order.id, True, Discount("cents", 100))


class IdleDesk:
    """A desk that answers at once and remembers nothing; made while its loop runs."""

    def __init__(self) -> None:
        self._answer = Answer(200, RESPONSE.encode())
        self._new_future = asyncio.get_running_loop().create_future

    def submit(self, call: Call) -> "asyncio.Future[Answer]":
        """The constant answer."""
        del call
        future: asyncio.Future[Answer] = self._new_future()
        future.set_result(self._answer)
        return future


def _noop(services: Services) -> ASGI:
    """The lane with an idle desk; a caller it does not know yet is looked up as in the product."""
    framework: Any = Litestar([typed], openapi_config=None, logging_config=None)
    idle = msgspec.structs.replace(services, desk=IdleDesk())

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/vending/"):
            headers = dict(scope["headers"])
            await services.access.check(headers[b"authorization"].decode())
            await lane(scope, receive, send)
        else:
            await framework(scope, receive, send)

    lane = Lane(behind, idle)
    return lane


async def serve(settings: Settings, kind: str) -> None:
    """Serves until SIGTERM."""
    async with open_services(settings) as services:
        app = assemble(services, settings) if kind == "product" else _noop(services)
        spare_collector()
        config = server_config(app)
        config.lifespan = "off"
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        print(listening.getsockname()[1], flush=True)
        await uvicorn.Server(config).serve(sockets=[listening])


def main() -> None:
    """Reads the arguments and serves."""
    dsn, data_dir, secret, kind = sys.argv[1:]
    settings = Settings(
        database_url=dsn,
        data_dir=Path(data_dir),
        secrets={"bench": secret},
        warm_seconds=WARM_S if kind == "product" else 0,
    )
    uvloop.run(serve(settings, kind))


if __name__ == "__main__":
    main()
