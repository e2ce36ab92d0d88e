"""Hashes that came from elsewhere: which may be kept, and that checking none of them is dear."""

import pytest

from farebox.engine.passwords import NOBODY, Passwords, is_hash

REST = "$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (True, NOBODY),
        (True, "$argon2id$v=19$m=8,t=1,p=1" + REST),
        (True, "$argon2id$v=19$m=262144,t=16,p=16" + REST),
        (False, "$argon2id$v=19$m=262145,t=1,p=1" + REST),
        (False, "$argon2id$v=19$m=9999999,t=1,p=1" + REST),
        (False, "$argon2id$v=19$m=8,t=17,p=1" + REST),
        (False, "$argon2id$v=19$m=8,t=1,p=17" + REST),
        (False, "$argon2i$v=19$m=8,t=1,p=1" + REST),
        (False, "$argon2id$v=19$m=\u0668,t=1,p=1" + REST),
        (False, "$2b$12$abcdefghijklmnopqrstuv"),
        (False, ""),
    ],
)
def test_hashes_that_may_be_checked(expected: bool, text: str) -> None:
    """Argon2id alone, and nothing that takes a gigabyte or a minute."""
    assert expected == is_hash(text)


async def test_a_dear_hash_is_never_right() -> None:
    """What stands in the database all the same is refused without being worked out."""
    passwords = Passwords(threads=1)
    assert not await passwords.matches("$argon2id$v=19$m=9999999,t=99,p=1" + REST, "x")
    made = await passwords.hash("correct horse")
    assert [True, False] == [await passwords.matches(made, one) for one in ("correct horse", "x")]
    passwords.close()
