"""Axes of a panel: round numbers on the scale, labels as they fit, numbers as people read them."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from farebox.engine.chart_shapes import Line, Shape, Text, shortened, text_width

SIZE = 10.0
# Between two labels under the axis.
_GAP = 10.0
_HOUR = re.compile(r"\d{4}-\d\d-\d\d \d\d:00", re.ASCII)
_HOURS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336)


class Scale(NamedTuple):
    """A vertical scale with its round numbers."""

    low: float
    high: float
    step: float

    def part(self, value: float) -> float:
        """Where a value lies between low (0) and high (1)."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """The round numbers from low to high."""
        count = round((self.high - self.low) / self.step)
        return [self.low + number * self.step for number in range(count + 1)]


def scale(low: float, high: float, *, digits: int, wanted: int = 5) -> Scale:
    """A scale with 0 that holds both values; steps are 1, 2 or 5 times a power of ten."""
    low, high = min(0.0, low), max(0.0, high)
    least = 10.0**-digits
    span = max(high - low, least)
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(next(times * power for times in (1, 2, 5, 10) if times * power >= rough), least)
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(bottom, max(top, bottom + step), step)


def number(value: float | None, digits: int) -> str:
    """`1 234.50`, with narrow spaces; nothing for nothing."""
    if value is None:
        return ""
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "\u2212")


def tick_digits(step: float, digits: int) -> int:
    """How many digits after the point tell the numbers of a scale apart."""
    return min(digits, max(0, -math.floor(math.log10(step) + 1e-9)))


def grid(
    made: Scale, left: float, top: float, width: float, height: float, digits: int
) -> list[Shape]:
    """Lines across, and their numbers to the left of them."""
    shown = tick_digits(made.step, digits)
    shapes: list[Shape] = []
    for tick in made.ticks:
        y = top + height * (1 - made.part(tick))
        ink = "axis" if abs(tick) < made.step / 2 else "grid"
        shapes.append(Line(((left, y), (left + width, y)), ink))
        told = number(tick, shown)
        shapes.append(Text(left - 8, y + SIZE * 0.35, told, SIZE, "muted", "end"))
    return shapes


def room(made: Scale, digits: int) -> float:
    """How much the numbers of a scale take to the left of the axis."""
    shown = tick_digits(made.step, digits)
    return max(text_width(number(tick, shown), SIZE) for tick in made.ticks) + 12


def labels(names: Sequence[str], left: float, baseline: float, width: float) -> list[Shape]:
    """Names under their places: every one, or every second, third … one, as they fit."""
    if not names:
        return []
    slot = width / len(names)
    longest = max(text_width(name, SIZE) for name in names)
    if longest + _GAP > slot and len(names) <= 12:
        # Few names are rather cut than left out.
        names = [shortened(name, SIZE, slot - 4) for name in names]
        longest = slot - _GAP
    first, every = _chosen(names, max(1, math.ceil((longest + _GAP) / slot)))
    shapes: list[Shape] = []
    for at in range(first, len(names), every):
        # The outermost stay on the page rather than in the middle of their place.
        half = text_width(names[at], SIZE) / 2
        x = max(half + 4, min(left + slot * (at + 0.5), left + width + 6 - half))
        shapes.append(Text(x, baseline, names[at], SIZE, "muted", "middle"))
    return shapes


def _chosen(names: Sequence[str], every: int) -> tuple[int, int]:
    """The first name that is shown, and every which from there; of hours those of a clock."""
    if not all(_HOUR.fullmatch(name) for name in names):
        return 0, every
    every = next((step for step in _HOURS if step >= every), every)
    hours = (int(name[11:13]) for name in names)
    return next((at for at, hour in enumerate(hours) if hour % min(every, 24) == 0), 0), every
