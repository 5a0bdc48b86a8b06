"""The SDK's HTTP metrics, from a client that several threads share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from singer_sdk import metrics

if TYPE_CHECKING:
    from types import TracebackType

    from pixxel_api.client import Exchange


class HttpMetrics:
    """Counts requests per stream and path, and logs how long each took.

    Attributes:
        stream: The stream that requests are made for.
    """

    def __init__(self) -> None:
        self.stream = ""
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], metrics.Counter] = {}
        self._logger = metrics.get_metrics_logger()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log what was counted."""
        with self._lock:
            for counter in self._counters.values():
                counter.exit()

    def count(self, exchange: Exchange) -> None:
        """Note a request."""
        key = (self.stream, exchange.path)
        with self._lock:
            if key not in self._counters:
                self._counters[key] = metrics.http_request_counter(*key)
            self._counters[key].increment()
        point = metrics.Point(
            "timer",
            metrics.Metric.HTTP_REQUEST_DURATION,
            exchange.seconds,
            {
                metrics.Tag.STREAM.value: self.stream,
                metrics.Tag.ENDPOINT.value: exchange.path,
                metrics.Tag.HTTP_STATUS_CODE.value: exchange.status,
            },
        )
        metrics.log(self._logger, point)
