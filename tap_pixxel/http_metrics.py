"""The SDK's HTTP metrics, from a client that several threads share."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Self

from singer_sdk import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from pixxel_api.client import RequestLog

_PATH_PARAM = re.compile(r"\{\w+\}")


class HttpMetrics:
    """Counts requests per stream and endpoint, and logs the duration of each.

    Attributes:
        requests: Number of requests so far.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._stream = ""
        self._endpoints: list[tuple[re.Pattern[str], str]] = []
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], metrics.Counter] = {}
        self._logger = metrics.get_metrics_logger()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log the counts."""
        with self._lock:
            for counter in self._counters.values():
                counter.exit()

    def start_stream(self, stream: str, endpoints: Iterable[str]) -> None:
        """Set the stream that sends the requests from now on, and its paths.

        A request counts for the path, with its parameters in braces, that it matches.
        """
        self._stream = stream
        self._endpoints = [
            (re.compile(_PATH_PARAM.sub("[^/]+", path)), path) for path in endpoints if "{" in path
        ]

    def record(self, request: RequestLog) -> None:
        """Count a request, and log its duration."""
        matches = (path for ids, path in self._endpoints if ids.fullmatch(request.path))
        endpoint = next(matches, request.path)
        key = (self._stream, endpoint)
        with self._lock:
            self.requests += 1
            if key not in self._counters:
                self._counters[key] = metrics.http_request_counter(*key)
            self._counters[key].increment()
        point = metrics.Point(
            "timer",
            metrics.Metric.HTTP_REQUEST_DURATION,
            request.seconds,
            {
                metrics.Tag.STREAM.value: self._stream,
                metrics.Tag.ENDPOINT.value: endpoint,
                metrics.Tag.HTTP_STATUS_CODE.value: request.status,
            },
        )
        metrics.log(self._logger, point)
