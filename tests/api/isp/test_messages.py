"""Texts to many subscribers count for their numbers as texts to one do."""

import asyncio

from tests.api.isp.conftest import Provider

HOME = "update isp.subscriber set phone = '+91 90000 00777' where id in (133, 471)"
OTHER = "update isp.subscriber set phone = '9000000888' where id = 1"
WRITTEN = "select count(*) from isp.notification where content like 'Your outstanding%'"
# Who is told, how it is answered, and how many texts there are then: ten to a number in an hour.
CALLS = (
    ("133", 200, 1), *[("133 471", 200, count) for count in (3, 5, 7, 9)],
    ("133 471", 429, 9), ("1 133 471", 429, 9), ("1", 200, 10), ("1 471", 200, 12),
    ("471", 429, 12), ("1 471", 429, 12), ("1", 200, 13),
)  # fmt: skip


def test_texts_to_many_count_for_each_number(provider: Provider, loop: asyncio.Runner) -> None:
    """Two at home share a number; where a list is too much for one, nobody of it is told."""

    async def play() -> None:
        async with provider.fresh() as connection:
            await connection.execute(HOME)
            await connection.execute(OTHER)
            before = await connection.fetchval(WRITTEN)
            for named, status, count in CALLS:
                form = {"userId": "133", "templateName": "userBalance", "sendMultipleSms": "yes"}
                answer = await provider.call(
                    "POST", "/isp/api/v1/send_sms_to_user",
                    data={**form, "userIds[]": named.split()},
                )  # fmt: skip
                told = await connection.fetchval(WRITTEN) - before
                assert (status, count) == (answer.status_code, told), (named, answer.text)
            one = {"userId": "471", "templateName": "userBalance"}
            assert "rate_limited" == (await provider.post("send_sms_to_user", one))["error"]

    loop.run(play())
