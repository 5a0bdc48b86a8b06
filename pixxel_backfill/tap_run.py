"""Run tap-pixxel in this process, for one part of the archive: several times, in any thread."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib import RecordMessage

from pixxel_api.errors import PixxelError
from pixxel_singer.errors import InputError
from pixxel_singer.message_reader import INCOMPLETE
from pixxel_singer.progress import StreamProgress
from pixxel_singer.signals import StopFlag
from tap_pixxel.streams.archive import ArchiveItems
from tap_pixxel.tap import TapPixxel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.singerlib import Message

    from pixxel_api.rate_limit import SharedPause
    from tap_pixxel.bookmarks import Bookmark

# The SDK adds its own settings to the schema at the first use, which threads must not do at once.
TapPixxel.append_builtin_config(TapPixxel.config_jsonschema)

_NO_TOKEN = "-"  # noqa: S105 - too short to be redacted


class StreamFailed(PixxelError):
    """The items could not all be read; the text is the tap's reason."""


@dataclass(frozen=True, slots=True)
class TapResult:
    """What a run has read.

    Attributes:
        rows: Number of items that it emitted.
        requests: Number of requests that it sent.
        started_at: The server's time at its first response, in the fixed-width UTC form; None if no
            collection was read.
        largest: The largest `updated` that it knows, of its items or of the state it started from,
            in that form; None without one.
        boundary: Id of the item that has it.
        undated: Ids of the items without any time that it has read, with `owned_range` only.
        state: The state after it.
    """

    rows: int
    requests: int
    started_at: str | None
    largest: str | None
    boundary: str | None
    undated: list[str]
    state: dict[str, Any]


class _CallerStopFlag(StopFlag):
    """Flag of a tap whose process belongs to its caller, who handles signals."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check

    def install_handlers(self) -> None:
        """Leave the handlers of the process alone."""

    def check(self) -> None:
        """Raise what the caller's function raises."""
        self._check()


class _HiddenProgress(StreamProgress):
    """Shows nothing: the caller shows the progress of all runs."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self


class _LineWriter(MsgSpecWriter):
    """Writer that passes each message on as a line.

    Its buffer is its own, unlike the SDK's: several threads may run taps at once.

    Attributes:
        rows: Number of records so far.
    """

    def __init__(
        self,
        write_line: Callable[[bytes], None],
        check: Callable[[], None],
        report: Callable[[int], None],
    ) -> None:
        self._write_line = write_line
        self._check = check
        self._report = report
        self._buffer = bytearray()
        self.rows = 0

    def serialize_message(self, message: Message) -> bytearray:
        """Return a message as a line, which the next call overwrites."""
        encoder.encode_into(message.to_dict(), self._buffer)
        self._buffer += b"\n"
        return self._buffer

    def write_message(self, message: Message) -> None:
        """Pass a message on."""
        self._check()
        self._write_line(bytes(self.format_message(message)))
        self.rows += isinstance(message, RecordMessage)
        self._report(self.rows)


class _ObservedItems(ArchiveItems):
    """The stream, whose bookmarks stay known after the run."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.bookmarks: list[Bookmark] = []

    def load_bookmark(self, context: Mapping[str, Any] | None) -> Bookmark | None:
        """Return the bookmark of a collection."""
        bookmark = super().load_bookmark(context)
        if bookmark:
            self.bookmarks.append(bookmark)
        return bookmark


class _ArchiveTap(TapPixxel):
    """The tap with archive_items as its only stream, without a display of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.progress = _HiddenProgress()

    def discover_streams(self) -> list[Any]:
        """Return the stream."""
        return [_ObservedItems(self, self)]


def make_offline_items(settings: Mapping[str, Any]) -> ArchiveItems:
    """Return the stream as a sync with these settings has it, with an empty state.

    Args:
        settings: The tap's settings; none of them may be a secret.
    """
    config = {**settings, "api_token": _NO_TOKEN}
    tap = _ArchiveTap(config=config, stop=_CallerStopFlag(lambda: None))
    return tap.get_stream(_ObservedItems)


def run_tap(
    settings: Mapping[str, Any],
    *,
    write_line: Callable[[bytes], None],
    state: Mapping[str, Any] | None = None,
    requests_per_second: float | None = None,
    shared_pause: SharedPause | None = None,
    check: Callable[[], None] = lambda: None,
    report: Callable[[int, int], None] = lambda _rows, _requests: None,
) -> TapResult:
    """Sync archive_items.

    Args:
        settings: The tap's settings, with the token.
        write_line: Receives each message as a line of JSON with its newline. There is no
            ACTIVATE_VERSION.
        state: The state to start from; None to read everything.
        requests_per_second: The maximum rate; None for that of the settings.
        shared_pause: A pause after a 429 that other clients observe and begin, too.
        check: Called often, from several threads; raises to stop.
        report: Called after each message with the rows and requests so far.

    Raises:
        InputError: The settings or the state are invalid.
        StreamFailed: Not all could be read.
        PixxelError: The API cannot be read at all, as with an unknown token.
    """
    own = {} if requests_per_second is None else {"requests_per_second": requests_per_second}
    writer = _LineWriter(write_line, check, lambda rows: report(rows, tap.http_metrics.requests))
    try:
        tap = _ArchiveTap(
            config={**settings, **own},
            state=deepcopy(dict(state or {})),
            message_writer=writer,
            stop=_CallerStopFlag(check),
            shared_pause=shared_pause,
        )
    except ConfigValidationError as error:
        raise InputError(*error.errors) from None
    tap.run()
    final = cast("dict[str, Any]", tap.state)
    if tap.failures:
        raise StreamFailed(str(tap.failures))
    if INCOMPLETE in final:
        raise StreamFailed(
            f"{ArchiveItems.name}: the list ended early or kept changing, so items may be missing; "
            "run it again"
        )
    items = tap.get_stream(_ObservedItems)
    known = [found for each in items.bookmarks if (found := each.find_largest())[0]]
    largest, boundary = max(known, key=lambda found: found[0] or "", default=(None, None))
    return TapResult(
        rows=writer.rows,
        requests=tap.http_metrics.requests,
        started_at=min((each.started_at for each in items.bookmarks), default=None),
        largest=largest,
        boundary=boundary,
        undated=items.undated_ids,
        state=final,
    )
