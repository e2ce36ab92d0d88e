"""Money of the provider's family: int64 thousandths inside, decimal text outside (isp.md 1.4).

Text has at most eleven digits before the point and three behind it, neither sign nor exponent on
the way in; on the way out trailing zeros are dropped and a credit is negative. Nothing is rounded.
"""

import re

_FORM = re.compile(r"(\d{1,11})(?:\.(\d{1,3}))?", re.ASCII)


def parse(text: str) -> int:
    """Thousandths; ValueError says what the text must be."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("must be an amount such as 10 or 250.5, with at most three decimals")
    whole, fraction = match.groups()
    return int(whole) * 1000 + int((fraction or "").ljust(3, "0"))


def text(amount: int) -> str:
    """`3789.004`, `10`, `-5`."""
    whole, fraction = divmod(abs(amount), 1000)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}" + (f".{fraction:03d}".rstrip("0") if fraction else "")


def optional_text(amount: int | None) -> str | None:
    """The same, or nothing for nothing."""
    return None if amount is None else text(amount)
