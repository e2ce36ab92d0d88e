"""How the server logs: one event a line, on standard error, without anything secret.

A terminal gets readable lines, everything else JSON. Tracebacks show code, never the values of
variables. What looks like a credential is blotted out by its name or its form; that is the last
net, not a licence to log credentials.
"""

import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

_NAMES: Final = re.compile(
    r"(?i)passw|secret|token|authorization|credential|cookie|api_?key|\A(?:key|dsn|smtp_url)\Z"
)
_FORMS: Final = (
    # Signed tokens, with or without their scheme.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[hidden]"),
    (re.compile(r"(?i)\b(basic|bearer) +[\w+/=.~-]+"), r"\1 [hidden]"),
    # The password in an address.
    (re.compile(r"(//[^\s/:@]*):[^\s/@]+@"), r"\1:[hidden]@"),
    (re.compile(r"(?i)\b(access_token|password|key)=[^\s&\"']+"), r"\1=[hidden]"),
)


def configure(stream: TextIO | None = None) -> None:
    """Sets up logging for this process; the last call counts."""
    out = stream or sys.stderr
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if out.isatty()
        else [structlog.processors.format_exc_info, hide, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(out),
    )


def hide(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blots out what is or looks like a credential, at any depth."""
    del logger, method
    for name, value in event.items():
        event[name] = "[hidden]" if _NAMES.search(name) else _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        for form, instead in _FORMS:
            value = form.sub(instead, value)
        return value
    if isinstance(value, dict):
        return {
            name: "[hidden]" if _NAMES.search(str(name)) else _hidden(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_hidden(inner) for inner in value]
    return value
