"""What tests of downloads look at."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pixxel_sandbox import FetchRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace

LARGE = 3_000_000
POLL = "/v0/catalogs/download/"


def files(folder: Path) -> list[str]:
    """All files below a folder, those of half a download included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def whole(place: Workplace, line: Json) -> bool:
    """Tell whether the file that an outcome names is what the sandbox has, byte by byte."""
    content = Path(line["object"]).read_bytes()
    found = (len(content), hashlib.sha256(content).hexdigest())
    return found == tuple(place.sandbox.digest(line["catalog_id"]))


def ranges(fetches: list[FetchRecord]) -> list[str | None]:
    """The ranges that were asked for."""
    return [each.range for each in fetches]


class _Watched(list[FetchRecord]):
    def __init__(self, change: Callable[[FetchRecord], None]) -> None:
        super().__init__()
        self._change = change

    def append(self, record: FetchRecord) -> None:
        super().append(record)
        self._change(record)


def when_fetched(place: Workplace, change: Callable[[FetchRecord], None]) -> None:
    """Do something whenever a fetch has come in and is not answered yet."""
    place.sandbox._state.downloads.fetches = _Watched(change)


def posted(place: Workplace) -> int:
    """How many downloads were asked for."""
    return len(place.posts("/v0/catalogs/download"))


def polled(place: Workplace) -> list[str]:
    """The ids of the downloads that were looked at, each time."""
    paths = [each.path for each in place.sandbox.requests if each.method == "GET"]
    return [path.removeprefix(POLL) for path in paths if path.startswith(POLL)]
