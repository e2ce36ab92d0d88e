"""Devices and a back office under load: redeem, repeat, give back, edit, until told to stop.

Every call is sent until it has an answer, with one order id, through kills and cuts. A repeated
order must be answered byte for byte as the first time. What was answered goes into the ledger.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.crash.http import Client, GivenUpError, RefusedError, Response, UnknownError
from tests.crash.ledger import Attempt, Edit, Ledger


@dataclass
class World:
    """Codes by kind, and the campaigns that are edited while they are used."""

    plain: list[str] = field(default_factory=list)
    limited: list[str] = field(default_factory=list)
    gifts: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    edited_campaign: int = 0
    twin_campaign: int = 0
    limit: int = 10
    gift_value: int = 500

    @property
    def codes(self) -> tuple[list[str], ...]:
        return self.plain, self.limited, self.gifts, self.twins, self.edited


async def insist(
    client: Client,
    ledger: Ledger,
    method: str,
    path: str,
    body: Any,
    about: Attempt | Edit | None = None,
) -> Response:
    """Sends until there is an answer that is not a 503; counts what was unknown in between."""
    while True:
        ledger.calls += 1
        try:
            response = await client.request(method, path, body)
        except RefusedError:
            await asyncio.sleep(0.05)
            continue
        except UnknownError as error:
            ledger.unknown += 1
            if about is not None:
                about.unknown += 1
                if isinstance(error, GivenUpError):
                    about.given_up_at = time.monotonic()
            await asyncio.sleep(0.02)
            continue
        if response.status == 401 and client.renew is not None:
            client.authorization = await client.renew(client.authorization)
            continue
        if response.status >= 500:
            if response.status != 503:
                ledger.complain(f"{method} {path}: {response.status} {response.body[:200]!r}")
            ledger.unavailable += 1
            if about is not None:
                about.unknown += 1
            await asyncio.sleep(0.05)
            continue
        return response


class DeviceLoop:
    """One device with its own orders."""

    def __init__(
        self, client: Client, device: str, prefix: str, world: World, ledger: Ledger, seed: int
    ) -> None:
        self._client = client
        self._device = device
        self._prefix = prefix
        self._world = world
        self._ledger = ledger
        self._random = random.Random(seed)
        self._mine: list[Attempt] = []
        self._count = 0

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Works until told to stop; what is under way then is finished first."""
        try:
            while not stopping():
                await self.work()
        finally:
            self._client.close()

    async def work(self) -> None:
        """One call, or two that belong together."""
        dice = self._random.random()
        if dice < 0.74 or not self._mine:
            await self.redeem(self.order())
        elif dice < 0.88:
            await self.repeat(self._random.choice(self._mine))
        elif dice < 0.97:
            await self.roll_back(self._random.choice(self._mine))
        elif dice < 0.975:
            await self.roll_back_first()
        else:
            await self.validate()

    def order(self) -> Attempt:
        """A new order on some code; hot codes more often than others."""
        kind = self._random.choice(self._world.codes)
        code = kind[int(len(kind) * self._random.random() ** 2)]
        self._count += 1
        order = f"{self._prefix}-{self._count}"
        body: dict[str, Any] = {"deviceId": self._device, "order": {"id": order, "amount": 1000}}
        if code in self._world.gifts:
            body["demand"] = {"amount": self._random.randint(1, 40)}
        attempt = Attempt(self._device, order, code, body, time.monotonic())
        self._ledger.attempts[self._device, order] = attempt
        return attempt

    async def redeem(self, attempt: Attempt) -> None:
        path = f"/vending/voucher/{attempt.code}/redeem"
        response = await insist(self._client, self._ledger, "POST", path, attempt.body, attempt)
        attempt.answered_at = time.monotonic()
        if response.status != 200:
            self._ledger.complain(f"redeem {attempt.order}: {response.status} {response.body!r}")
            return
        attempt.answer = response.body
        if attempt.redeemed:
            self._mine.append(attempt)

    async def repeat(self, attempt: Attempt) -> None:
        """The same order again: the same bytes, or that it was rolled back."""
        path = f"/vending/voucher/{attempt.code}/redeem"
        rolled_back = attempt.rollback_wanted
        response = await insist(self._client, self._ledger, "POST", path, attempt.body)
        self._ledger.repeats += 1
        attempt.repeats += 1
        if response.status != 200:
            self._ledger.complain(f"repeat {attempt.order}: {response.status} {response.body!r}")
        elif rolled_back:
            if response.json()["reason"] != "order_rolled_back":
                self._ledger.complain(
                    f"{attempt.order} lives after its rollback: {response.body!r}"
                )
        elif response.body != attempt.answer:
            self._ledger.complain(f"{attempt.order}: {attempt.answer!r} became {response.body!r}")
        elif response.headers.get("idempotent-replayed") != "true":
            self._ledger.complain(f"{attempt.order} was not marked as replayed")

    async def roll_back(self, attempt: Attempt) -> None:
        """Gives an order back; a second time the answer must be the same."""
        attempt.rollback_wanted = True
        body = {"deviceId": self._device, "order": {"id": attempt.order}, "reason": "vend_failed"}
        path = f"/vending/voucher/{attempt.code}/rollback"
        response = await insist(self._client, self._ledger, "POST", path, body)
        if response.status == 429 and not attempt.redeemed:
            return
        if response.status != 200:
            self._ledger.complain(f"rollback {attempt.order}: {response.status} {response.body!r}")
        elif attempt.rollback and attempt.rollback != response.body:
            was, now = attempt.rollback, response.body
            self._ledger.complain(f"rollback of {attempt.order}: {was!r} became {now!r}")
        elif attempt.redeemed and not response.json()["rolledBack"]:
            self._ledger.complain(f"rollback of redeemed {attempt.order}: {response.body!r}")
        else:
            attempt.rollback = response.body

    async def roll_back_first(self) -> None:
        """The rollback overtakes the redeem: the order must never take value."""
        attempt = self.order()
        await self.roll_back(attempt)
        if attempt.rollback:
            await self.redeem(attempt)
            if attempt.redeemed or attempt.reason != "order_rolled_back":
                self._ledger.complain(f"{attempt.order} redeemed after its rollback")
        else:
            del self._ledger.attempts[self._device, attempt.order]

    async def validate(self) -> None:
        code = self._random.choice(self._world.plain)
        path = f"/vending/voucher/{code}/validate"
        response = await insist(
            self._client, self._ledger, "POST", path, {"deviceId": self._device}
        )
        if response.status != 200 or not response.json()["valid"]:
            self._ledger.complain(f"validate {code}: {response.status} {response.body!r}")


async def edit_for_ever(
    client: Client, world: World, ledger: Ledger, seed: int, stopping: Callable[[], bool]
) -> None:
    """Switches campaigns off and on; ends with both on."""
    rng = random.Random(seed)
    status = dict.fromkeys((world.edited_campaign, world.twin_campaign), "active")

    async def switch(campaign: int, wanted: str) -> None:
        edit = Edit(campaign, {"status": wanted}, time.monotonic())
        path = f"/vending/campaign/{campaign}"
        response = await insist(client, ledger, "PATCH", path, edit.change, edit)
        if response.status != 200:
            ledger.complain(f"edit: {response.status} {response.body!r}")
            return
        edit.acked_at = time.monotonic()
        ledger.edits.append(edit)
        status[campaign] = wanted

    while not stopping():
        campaign = rng.choice(list(status))
        await switch(campaign, "inactive" if status[campaign] == "active" else "active")
        await asyncio.sleep(rng.uniform(0.05, 0.5))
    for campaign, now in status.items():
        if now != "active":
            await switch(campaign, "active")
