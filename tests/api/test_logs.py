"""Nothing secret reaches a log line, and every line can be read by a machine."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from farebox.api import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged while the test runs."""
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"password": "hunter2"}, {"password": "[hidden]"}),
        ({"refresh_token": "x"}, {"refresh_token": "[hidden]"}),
        ({"Authorization": "Basic Zm9v"}, {"Authorization": "[hidden]"}),
        ({"text": "Bearer abc.def-g/h=="}, {"text": "Bearer [hidden]"}),
        ({"text": "saw eyJhbGciOi.eyJzdWIi.sig_-1 there"}, {"text": "saw [hidden] there"}),
        ({"at": "postgresql://me:s3cret@db/x"}, {"at": "postgresql://me:[hidden]@db/x"}),
        ({"q": "/export?access_token=abc&a=1"}, {"q": "/export?access_token=[hidden]&a=1"}),
        ({"a": {"key": "x", "b": 1}}, {"a": {"key": "[hidden]", "b": 1}}),
        ({"a": [["Basic Zm9v"]]}, {"a": [["Basic [hidden]"]]}),
        ({"route": "/vending/auth/login"}, {"route": "/vending/auth/login"}),
    ],
)  # fmt: skip
def test_credentials_are_blotted_out(
    lines: io.StringIO, given: dict[str, object], shown: dict[str, object]
) -> None:
    """By their name, and by their form inside other text."""
    structlog.get_logger("test").info("event", **given)
    logged = json.loads(lines.getvalue())
    assert shown == {name: logged[name] for name in given}
    assert ("event", "info") == (logged["event"], logged["level"])


def test_a_traceback_shows_no_values(lines: io.StringIO) -> None:
    """Neither local variables nor a token in the error's own text."""
    password = "hunter2"
    try:
        raise ValueError(f"Bearer abc.def {len(password)}")
    except ValueError as error:
        structlog.get_logger("test").error("failed", exc_info=error)
    logged = json.loads(lines.getvalue())
    assert "ValueError: Bearer [hidden] 7" in logged["exception"]
    assert "abc.def" not in logged["exception"].splitlines()[-1]
