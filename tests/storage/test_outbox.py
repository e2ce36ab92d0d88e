"""What the outbox remembers of effects that happened."""

import pytest

from farebox.storage import outbox
from farebox.storage.pool import Pool

MAIL = {"to": "a@example.test", "subject": "Hello", "text": "token 1234", "html": "<b>1234</b>"}


@pytest.mark.parametrize(
    ("kind", "left"), [("mail", {"to": "a@example.test", "subject": "Hello"}), ("other", MAIL)]
)
async def test_a_delivered_mail_is_forgotten(pool: Pool, kind: str, left: dict[str, str]) -> None:
    """A mail may hold a token that opens an account; while it waits it must be kept whole."""
    await outbox.put(pool, kind, MAIL, 1000)
    async with pool.acquire() as connection:
        (job,) = await outbox.take(connection, [kind], 1000, 1)
        await outbox.postpone(connection, job, 2000, "not now")
        (job,) = await outbox.take(connection, [kind], 2000, 1)
        assert MAIL == job.payload
        await outbox.finish(connection, job, 3000)

    assert left == await pool.fetchval("select payload from farebox.outbox")
