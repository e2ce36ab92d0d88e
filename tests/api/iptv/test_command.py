"""`farebox iptv bootstrap`'s part that writes."""

import pytest

from farebox.domain.errors import ConflictError, InvalidError
from farebox.engine.portal_users import bootstrap
from farebox.storage.pool import Pool


async def test_a_user_is_made_once(pool: Pool) -> None:
    """A name is given once, and bad names and passwords are refused before anything is hashed."""
    await bootstrap(pool, 1, "admin", "a long password", "admin")
    with pytest.raises(ConflictError):
        await bootstrap(pool, 1, "admin", "a long password", "admin")
    for login, password in (("a:b", "a long password"), ("b", "short"), ("", "a long password")):
        with pytest.raises(InvalidError):
            await bootstrap(pool, 1, login, password, "api")
    assert "admin" == await pool.fetchval("select role from iptv.api_user")
