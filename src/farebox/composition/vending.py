"""The vending family's part: people, the redemption desk, devices, sales, and what they send out.

The desk has started when this is composed: it reads vouchers ahead before the first request.
"""

import os
from functools import partial
from typing import Any, Final

import structlog

from farebox.api.vending.wire_device import VendingSpelling
from farebox.composition.ground import DAY_MS, MINUTE_S, Ground, Part
from farebox.engine.access import Access
from farebox.engine.attempts import Restraint
from farebox.engine.campaigns import Campaigns
from farebox.engine.commands import EXPIRE_S, Commands
from farebox.engine.devices import Devices
from farebox.engine.guessers import Guessers
from farebox.engine.ingestion import Ingestion
from farebox.engine.integrations import FORGET_S, PURPOSE, Deliveries
from farebox.engine.issuance import Issuance
from farebox.engine.making_way import Readers
from farebox.engine.network_keys import PURPOSE as NETWORK
from farebox.engine.network_keys import NetworkKeys
from farebox.engine.people import RESETS, SIGN_INS, People, Policy
from farebox.engine.places import Places
from farebox.engine.presence import DETECT_S, Presence
from farebox.engine.redemption import Desk
from farebox.engine.revenue import Revenue
from farebox.engine.revenue_columns import Columns
from farebox.engine.revenue_months import CLEAR_S
from farebox.engine.sealing import Sealer
from farebox.engine.sheets import Sheets
from farebox.engine.shifts import Shifts
from farebox.engine.vouchers import Vouchers
from farebox.engine.watching import SWEEP_S, Watching
from farebox.jobs import MovingClock
from farebox.outbound.mail import Mailer
from farebox.outbound.webhook import Webhook
from farebox.storage import people as people_store
from farebox.storage.redemption import Ledger

# What the desk counts about itself.
TOLD: Final = {
    "batches": "Batches decided",
    "calls": "Calls decided",
    "lost": "Batches whose comparison was lost",
    "settled": "Commits whose outcome had to be asked for",
}
_log = structlog.get_logger("farebox")


async def compose(ground: Ground) -> Part:
    """All slots of the family, and its work beside the requests."""
    readers = Readers()
    return Part.joined(
        (
            _people(ground),
            await _vouchers(ground),
            _machines(ground, readers),
            _sales(ground, readers),
            _mail(ground),
        )
    )


def _people(ground: Ground) -> Part:
    settings = ground.settings
    restraint = Restraint(ground.attempts("sign-in", SIGN_INS))
    access = Access(ground.pool, ground.clock, ground.keys, restraint=restraint)
    people = People(
        ground.pool,
        ground.clock,
        ground.keys,
        access,
        policy=Policy(
            public_url=settings.public_url, password_max_age_days=settings.password_max_age_days
        ),
        sign_ins=restraint,
        resets=ground.attempts("reset", RESETS),
    )
    ground.stack.callback(people.close)
    places = Places(ground.pool)

    def access_changed(subject: str) -> None:
        access.forget(subject)
        places.forget()

    return Part(
        slots={"access": access, "people": people, "places": places},
        heard={
            people_store.ACCESS_CHANNEL: access_changed,
            people_store.PLACES_CHANNEL: lambda _: places.forget(),
        },
    )


async def _vouchers(ground: Ground) -> Part:
    settings, pool, clock = ground.settings, ground.pool, ground.clock
    desk = Desk(
        Ledger(ground.dsn, statement_timeout_ms=settings.statement_timeout_ms),
        clock,
        VendingSpelling(),
        leases=ground.leases,
        memory_bytes=settings.book_memory,
        replay_window_ms=settings.replay_window_days * DAY_MS,
        warm_s=settings.warm_seconds,
    )
    if settings.redis_url:
        Guessers(desk.guard, ground.attempts)
    await desk.start()
    ground.stack.push_async_callback(desk.stop)
    for name, text in TOLD.items():
        ground.metrics.read_from(f"farebox_desk_{name}", text, partial(getattr, desk, name))
    issuance = Issuance(pool, clock)
    sheets = Sheets(pool, clock, ground.keys.by_kid, settings.public_url or None)
    return Part(
        slots={
            "desk": desk,
            "issuance": issuance,
            "campaigns": Campaigns(pool, clock),
            "vouchers": Vouchers(pool, clock),
            "sheets": sheets,
        },
        handlers={"campaign.generate": issuance.generate, **sheets.handlers},
        chores={"campaigns": (MINUTE_S, issuance.give_up_abandoned)},
    )


def _machines(ground: Ground, readers: Readers) -> Part:
    settings, pool, clock = ground.settings, ground.pool, ground.clock
    watching = Watching(pool, clock)
    presence = Presence(
        pool,
        clock,
        offline_after_ms=settings.offline_after_s * 1000,
        touched=watching.touch,
    )
    ingestion = Ingestion(pool, clock, touched=watching.touch, readers=readers)
    ground.metrics.read_each(
        "farebox_ingest_records", "Records that devices reported", ("stream", "outcome"),
        ingestion.told.items,
    )  # fmt: skip
    commands = Commands(pool, clock, settings.device_commands)
    webhook = Webhook(settings.webhook_networks)
    ground.stack.push_async_callback(webhook.close)
    sealer = Sealer(ground.keys.by_kid, PURPOSE)
    deliveries = Deliveries(pool, MovingClock(clock), ground.leases, sealer, webhook.post)
    return Part(
        slots={
            "ingestion": ingestion,
            "devices": Devices(pool, clock),
            "shifts": Shifts(pool, clock, ground.leases),
            "commands": commands,
            "deliveries": deliveries,
            "network_keys": NetworkKeys(Sealer(ground.keys.by_kid, NETWORK)),
            "watching": watching,
            "presence": presence,
        },
        chores={
            "commands": (EXPIRE_S, commands.expire),
            "integrations": (FORGET_S, deliveries.forget),
            "presence": (DETECT_S, presence.detect),
            "watching": (SWEEP_S, watching.sweep),
        },
        running={
            "presence": presence.run,
            "watching": watching.run,
            "integrations": deliveries.run,
        },
    )


def _sales(ground: Ground, readers: Readers) -> Part:
    settings = ground.settings
    threads = min(4, os.cpu_count() or 1)
    columns = Columns(ground.pool, bytes_max=settings.revenue_memory, threads=threads)
    held = columns.months
    for name, (text, read) in {
        "rows": ("Sales that are held as columns", lambda: held.sales),
        "bytes": ("Memory that sales held as columns take", lambda: columns.nbytes),
        "months": ("Months of sales that are held as columns", lambda: held.count),
        "missing": ("Months of sales that are still to be read", lambda: held.missing),
    }.items():
        ground.metrics.gauge(f"farebox_sales_{name}", text, read)
    ground.metrics.read_each(
        "farebox_sales_questions", "Questions about sales", ("answered_from",), held.told.items
    )
    revenue = Revenue(
        ground.pool, ground.clock, columns,
        readers=readers, reporting_currency=settings.reporting_currency,
    )  # fmt: skip
    return Part(
        slots={"columns": columns, "revenue": revenue},
        chores={"sales": (CLEAR_S, columns.months.clear_feed)},
        running={"revenue": columns.months.run},
    )


def _mail(ground: Ground) -> Part:
    settings = ground.settings
    if not settings.smtp_url:
        _log.info("mail.waits", reason="FAREBOX_SMTP_URL is not set")
        return Part()
    mailer = Mailer(settings.smtp_url, settings.mail_from, ground.clock)

    async def deliver(mail: dict[str, Any], attempt: int) -> None:
        del attempt
        await mailer.send(mail["to"], mail["subject"], mail["text"])

    return Part(handlers={"mail": deliver})
