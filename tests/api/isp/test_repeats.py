"""The same request under the same Idempotency-Key: one effect, one answer (isp.md 4.10)."""

import asyncio
from typing import Any

from tests.api.isp.conftest import Provider

SMS = {"userId": "471", "templateName": "accountSuspension"}
MANY = {**SMS, "sendMultipleSms": "yes", "userIds[]": ["471", "133"]}
MAIL = {"userId": "471", "templateName": "suspend"}
CASES: tuple[tuple[str, dict[str, Any], str, int], ...] = (
    ("send_sms_to_user", SMS, "sms", 1),
    ("send_sms_to_user", MANY, "sms", 2),
    ("send_email_to_user", MAIL, "email", 1),
)


async def send(provider: Provider, name: str, form: Any, key: str) -> tuple[int, bytes]:
    """Status and body of a call under a key."""
    answer = await provider.call(
        "POST", f"/isp/api/v1/{name}", data=form, headers={"Idempotency-Key": key}
    )
    return answer.status_code, answer.content


async def messages(connection: Any) -> Any:
    """How many messages there are, and jobs that send them."""
    return tuple(
        await connection.fetchrow(
            "select (select count(*) from isp.notification),"
            " (select count(*) from farebox.outbox where kind = 'isp.notice')"
        )
    )


def test_messages_are_sent_once(provider: Provider, loop: asyncio.Runner) -> None:
    """A repetition is answered as before and sends nothing; the key is bound to its request."""

    async def play() -> None:
        for name, form, channel, count in CASES:
            async with provider.fresh() as connection:
                before = await messages(connection)
                first = await send(provider, name, form, "k")
                assert 200 == first[0], first
                assert first == await send(provider, name, form, "k")
                assert (before[0] + count, before[1] + count) == await messages(connection)
                other = {**form, "userId": "133"}
                status, told = await send(provider, name, other, "k")
                assert (409, True) == (status, b"idempotency_mismatch" in told), channel

    loop.run(play())


def test_what_is_told_again(provider: Provider, loop: asyncio.Runner) -> None:
    """Refusals of ours are kept, those of the far side are not, silence counts as queued."""

    async def play() -> None:
        async with provider.fresh() as connection:
            refused = await send(provider, "send_sms_to_user", {**SMS, "userId": "1"}, "none")
            assert 409 == refused[0]
            await connection.execute("update isp.subscriber set phone = '5551234567' where id = 1")
            again = await send(provider, "send_sms_to_user", {**SMS, "userId": "1"}, "none")
            assert refused == again
            provider.simulators.behaviour["sms"] = "reject 400"
            rejected = await send(provider, "send_sms_to_user", SMS, "gateway")
            assert 502 == rejected[0], rejected
            provider.simulators.behaviour["sms"] = "accept"
            assert 200 == (await send(provider, "send_sms_to_user", SMS, "gateway"))[0]

    loop.run(play())


def test_equal_keys_at_once(provider: Provider, loop: asyncio.Runner) -> None:
    """Of calls that come together one has the effect, and all have its answer."""

    async def play() -> None:
        pool = provider.api.services.pool
        before = await pool.fetchval("select count(*) from isp.notification")
        told = await asyncio.gather(
            *(send(provider, "send_email_to_user", MAIL, "together") for _ in range(6))
        )
        assert 1 == len(set(told)), told
        assert before + 1 == await pool.fetchval("select count(*) from isp.notification")
        await pool.execute("delete from isp.notification where id > $1", before)

    loop.run(play())
