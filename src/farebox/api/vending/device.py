"""What devices report and ask for (vending-platform.md 3.16).

The caller is a gateway, by token or by Basic. `hostname` names a machine behind it. Members that
the document does not know are ignored in records, because firmware may send more, and refused
everywhere else. A configuration's version covers both of its halves, and is its ETag.
"""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending import batches
from farebox.api.vending import wire_ingest as wire
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    message,
    path_id,
    principal,
    read_body,
    reply,
)
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.wire_devices import (
    AcknowledgementBody,
    Assortment,
    CommandResult,
    Config,
    DeviceCommand,
    HeartbeatBody,
    News,
    assortment_of,
    command_of,
    config_of,
    news_of,
)
from farebox.api.vending.wire_people import Message
from farebox.engine.devices import Acknowledgement, Heartbeat
from farebox.engine.ingestion import Result

BATCH_BYTES_MAX = 2 << 20
COMMANDS_MAX = 100
RESULT_CHARS_MAX = 4000


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes that devices call, besides the four voucher calls."""
    return [*_reports(services), *_news(services), *_commands(services)]


def _reports(services: Services) -> list[HTTPRouteHandler]:
    ingestion = services.ingestion

    @post(
        "/device/transactions",
        request_max_body_size=BATCH_BYTES_MAX,
        **documented("VEND-X-DEVICE-TRANSACTIONS", wire.SaleBatch, wire.BatchAnswer, device="only"),
    )
    async def transactions(request: Call) -> Answer:
        """Stores sales with their payments, each once."""
        batch = batches.SALES.read(await _batch_body(request), principal(request).name)
        return _told(await ingestion.sales(principal(request), batch))

    @post(
        "/device/logs",
        request_max_body_size=BATCH_BYTES_MAX,
        **documented("VEND-X-DEVICE-LOGS", wire.LogBatch, wire.BatchAnswer, device="only"),
    )
    async def logs(request: Call) -> Answer:
        """Stores logs, each once."""
        batch = batches.LOGS.read(await _batch_body(request), principal(request).name)
        return _told(await ingestion.logs(principal(request), batch))

    @post(
        "/device/iotevents",
        request_max_body_size=BATCH_BYTES_MAX,
        **documented("VEND-X-DEVICE-IOTEVENTS", wire.EventBatch, wire.BatchAnswer, device="only"),
    )
    async def iotevents(request: Call) -> Answer:
        """Stores events, each once."""
        batch = batches.EVENTS.read(await _batch_body(request), principal(request).name)
        return _told(await ingestion.events(principal(request), batch))

    return [transactions, logs, iotevents]


async def _batch_body(request: Call) -> bytes:
    return await request.body() or b"{}"


def _told(result: Result) -> Answer:
    rejected = [wire.Rejected(one.index, one.remote, one.reason) for one in result.rejected]
    return reply(wire.BatchAnswer(result.accepted, result.duplicates, rejected, result.cursor))


def _news(services: Services) -> list[HTTPRouteHandler]:
    devices, clock = services.devices, services.clock

    @post(
        "/device/heartbeat",
        **documented("VEND-X-DEVICE-HEARTBEAT", HeartbeatBody, News, device="only"),
    )
    async def heartbeat(request: Call) -> Answer:
        """Says that the device is there, and tells it what has changed."""
        known = ("uptime", "firmware", "signal", "hostname")
        fields = Fields(await read_body(request), known=known)
        said = Heartbeat(
            uptime=fields.optional_integer("uptime", low=0),
            firmware=fields.optional_string("firmware"),
            signal=fields.optional_integer("signal", low=-INT32_MAX, high=INT32_MAX),
        )
        hostname = fields.optional_string("hostname")
        fields.finish()
        row = await devices.heartbeat(principal(request), hostname, said)
        return reply(news_of(row, clock() // 1000))

    @get(
        "/device/config",
        **documented("VEND-X-DEVICE-CONFIG", None, Config, query={"hostname": str}, device="only"),
    )
    async def config(request: Call) -> Answer:
        """The configuration, unless the device has this version already."""
        row = await devices.config(principal(request), _hostname(request))
        etag = f'"{row["version"]}"'
        if _is_known(request, etag):
            return _not_modified(etag)
        told = config_of(row, services.network_keys.needed(row["encryption_key"]))
        await devices.config_was_read(row)
        return reply(told, headers={"ETag": etag, "Cache-Control": "no-store"})

    @post(
        "/device/config/ack",
        **documented("VEND-X-DEVICE-CONFIG-ACK", AcknowledgementBody, Message, device="only"),
    )
    async def acknowledge(request: Call) -> Answer:
        """Says what became of a configuration."""
        fields = Fields(await read_body(request), known=("version", "state", "message", "hostname"))
        told = Acknowledgement(
            version=fields.integer("version", low=0, high=INT32_MAX),
            state=fields.enum("state", ("applied", "failed"), required=True) or "",
            message=fields.optional_string("message", high=RESULT_CHARS_MAX, lines=True),
        )
        hostname = fields.optional_string("hostname")
        fields.finish()
        await devices.acknowledge(principal(request), hostname, told)
        return message("Configuration acknowledged")

    @get(
        "/device/assortment",
        **documented(
            "VEND-X-DEVICE-ASSORTMENT", None, Assortment, query={"hostname": str}, device="only"
        ),
    )
    async def assortment(request: Call) -> Answer:
        """What the machine sells, unless the device has this version already."""
        version, rows = await devices.assortment(principal(request), _hostname(request))
        etag = f'"{version}"'
        if _is_known(request, etag):
            return _not_modified(etag)
        return reply(assortment_of(version, rows), headers={"ETag": etag})

    return [heartbeat, config, acknowledge, assortment]


def _hostname(request: Call) -> str | None:
    fields = Fields(request.query_params, known=("hostname",))
    hostname = fields.optional_string("hostname")
    fields.finish()
    return hostname


def _is_known(request: Call, etag: str) -> bool:
    """Whether If-None-Match names this version."""
    told = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in told.split(","))


def _not_modified(etag: str) -> Answer:
    return Answer(b"", status_code=304, headers={"ETag": etag})


def _commands(services: Services) -> list[HTTPRouteHandler]:
    devices = services.devices

    @get(
        "/device/commands",
        **documented(
            "VEND-X-DEVICE-COMMANDS", None, list[DeviceCommand], query={"max": int}, device="only"
        ),
    )
    async def commands(request: Call) -> Answer:
        """Commands that wait for this gateway and the machines behind it; each is given once."""
        fields = Fields(request.query_params, known=("max",))
        limit = fields.optional_integer("max", low=1, high=COMMANDS_MAX)
        fields.finish()
        rows = await devices.commands(principal(request), 20 if limit is None else limit)
        return reply([command_of(row) for row in rows])

    @post(
        "/device/commands/{command:str}/result",
        **documented("VEND-X-DEVICE-COMMAND-RESULT", CommandResult, Message, device="only"),
    )
    async def result(request: Call, command: FromPath[str]) -> Answer:
        """Says how a command ended."""
        number = path_id(command)
        fields = Fields(await read_body(request), known=("state", "result"))
        state = fields.enum("state", ("succeeded", "failed"), required=True) or ""
        text = fields.optional_string("result", high=RESULT_CHARS_MAX, lines=True)
        fields.finish()
        await devices.finish(principal(request), number, state, text)
        return message("Result noted")

    return [commands, result]
