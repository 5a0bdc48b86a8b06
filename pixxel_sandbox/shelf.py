"""The shelf: downloads that were asked for, and every attempt to fetch what is in them."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from secrets import token_bytes


@dataclass(slots=True)
class Download:
    """A download that was asked for.

    Attributes:
        catalogs: the ids of the catalogs in it.
        name: of its file.
        status: created, in_progress, then success or failed.
    """

    catalogs: tuple[str, ...]
    name: str
    status: str = "created"


@dataclass(slots=True)
class FetchRecord:
    """A request to a signed URL.

    Attributes:
        download: the id of the download.
        range: the header of this name, None if it had none.
        if_range: the header of this name, None if it had none.
        authorised: whether it carried an Authorization header, which it must not.
        status: of the answer; None before it.
        sent: bytes of the answer's body so far.
    """

    method: str
    download: str
    range: str | None
    if_range: str | None
    authorised: bool
    status: int | None = None
    sent: int = 0


@dataclass(slots=True)
class Shelf:
    """All downloads of a sandbox.

    Attributes:
        downloads: by id.
        fetches: the requests to signed URLs so far, in the order of arrival.
        broken: how often the habit ``breaks`` has cut off an object, by its ETag.
        key: what URLs are signed with.
        lines: the connections on which something is being fetched.
    """

    downloads: dict[str, Download] = field(default_factory=dict)
    fetches: list[FetchRecord] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    key: bytes = field(default_factory=lambda: token_bytes(32), repr=False)
    lines: set[asyncio.Transport] = field(default_factory=set, repr=False)

    def hang_up(self) -> None:
        """Ends what is being fetched; to be called within the server's loop."""
        for line in self.lines:
            line.abort()
