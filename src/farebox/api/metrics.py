"""What the server counts about itself, for Prometheus: answers, their time, and the desk's work.

Counting is an addition in a dictionary or a list; text is made only when somebody asks. Labels are
route templates, never paths, so their number is bounded. Numbers are this process's own.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from farebox.web import ASGI, Receive, Scope, Send

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Requests that no route has taken share one label.
UNKNOWN_ROUTE: Final = "(none)"
# Values of labels, and what was counted under them.
Numbers = Iterable[tuple[tuple[str, ...], float]]
_log = structlog.get_logger("farebox.access")


class Metrics(Collector):
    """The numbers of one process and its registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        # Answers by (route template, method, status).
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        self._readers: list[tuple[str, str, Callable[[], float]]] = []
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._labelled: list[tuple[str, str, tuple[str, ...], Callable[[], Numbers]]] = []

    def counted(self, route: str, method: str) -> "Counted":
        """A counter bound to a route beforehand, for callers that count on every request."""
        return Counted(self, route, method)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answer and the time it took."""
        self.answers[route, method, status] += 1
        buckets = self._times.get(route)
        if buckets is None:
            buckets = self._times[route] = [0] * (len(BOUNDS_S) + 1)
            self._sums_s[route] = 0.0
        buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._sums_s[route] += seconds

    def read_from(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Reports a number that somebody else counts."""
        self._readers.append((name, text, read))

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Reports what somebody else has now: a number that may become smaller."""
        self._gauges.append((name, text, read))

    def read_each(
        self, name: str, text: str, labels: tuple[str, ...], read: Callable[[], Numbers]
    ) -> None:
        """Reports numbers that somebody else counts, by the values of their labels."""
        self._labelled.append((name, text, labels, read))

    def text(self) -> bytes:
        """Everything in the format that Prometheus reads."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """The numbers as Prometheus wants them."""
        labels = ("route", "method", "status")
        answers = CounterMetricFamily("farebox_answers", "Answers sent", labels=labels)
        for (route, method, status), count in sorted(self.answers.items()):
            answers.add_metric((route, method, str(status)), count)
        yield answers
        seconds = HistogramMetricFamily(
            "farebox_answer_seconds", "Time to answer", labels=("route",)
        )
        for route, buckets in sorted(self._times.items()):
            total, pairs = 0, []
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
                total += count
                pairs.append((bound, total))
            seconds.add_metric((route,), pairs, self._sums_s[route])
        yield seconds
        for name, text, read in self._readers:
            yield CounterMetricFamily(name, text, value=read())
        for name, text, read in self._gauges:
            yield GaugeMetricFamily(name, text, value=read())
        for name, text, names, numbers in self._labelled:
            counted = CounterMetricFamily(name, text, labels=names)
            for values, number in sorted(numbers()):
                counted.add_metric(values, number)
            yield counted


class Counted:
    """Counts the answers of one route."""

    __slots__ = ("_method", "_metrics", "_route")

    def __init__(self, metrics: Metrics, route: str, method: str) -> None:
        self._metrics = metrics
        self._route = route
        self._method = method

    def __call__(self, status: int, seconds: float) -> None:
        """Counts one answer."""
        self._metrics.observe(self._route, self._method, status, seconds)


class Watch:
    """An ASGI callable that counts, and logs when asked to, what passes through it."""

    def __init__(self, app: ASGI, metrics: Metrics, *, is_logging: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._is_logging = is_logging

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on; its route template is known when it comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started_s = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - started_s
            route = scope.get("path_template") or UNKNOWN_ROUTE
            self._metrics.observe(route, scope["method"], status, seconds)
            if self._is_logging:
                # The template, not the path: codes and tokens stay out of logs.
                _log.info("answer", route=route, method=scope["method"], status=status, s=seconds)
