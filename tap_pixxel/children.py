"""Lists that hang on the rows of another list: read for all of them, several at once, in order."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from pixxel_api.errors import Forbidden, NotFound
from pixxel_api.pagination.concurrency import OrderedExecutor, run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import with_first_page
from tap_pixxel.base import PixxelStream
from tap_pixxel.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import FetchPage, Page
    from tap_pixxel.reading import Keys

_NO_NAMES = frozenset({"", ".", ".."})  # in a path these lead to another list (RFC 3986, 5.2.4)
_TRIED = 20  # parents that --test looks for a record at


class ChildStream(PixxelStream):
    """A list for each row of another stream's list.

    Its `path` names in braces what its parents are called (`PixxelStream.place`). A parent whose
    list answers 403 or 404 is told of and counted, and the others are read. What could not be
    read is read from the beginning once it can be: the state keeps its name.
    """

    parent: ClassVar[type[PixxelStream]]
    _reading: Reading | None = None

    @classmethod
    def endpoints(cls) -> tuple[str, ...]:
        """The paths that it reads, its own first."""
        return (cls.path, *cls.parent.endpoints())

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read the lists of all parents, and give the records that are to be emitted.

        Raises:
            Forbidden: None of them may be read, or the token may read nothing any more.
        """
        bookmark = self.bookmark(context)
        barred = frozenset(bookmark.barred if bookmark else ())
        reading = self._reading = Reading(self.name, self.logger)
        readable = False
        for keys, rows in self._pages(reading):
            readable = True
            if bookmark:
                bookmark.begin(reading.began)
            given = {name: keys[name] for name in keys.keys() & self.schema["properties"].keys()}
            again = reading.is_among(barred, keys)
            yield from self.records(rows, bookmark, given, again=again)
        if reading.refusal and not readable:
            raise reading.refusal
        if reading.refusal:
            self._check_the_token()
        if bookmark:
            bookmark.barred = reading.barred
        elif reading.refusal or (reading.barred and not readable):
            self._whole = False  # what may not be read is not gone
        self.finish(bookmark, whole=reading.settled)

    def _check_the_token(self) -> None:
        """Ask for something that could be read before: a token that expires bars all that follows.

        Raises:
            Forbidden: It may read nothing any more.
        """
        top = self._pixxel.stream(self.parent)
        while isinstance(top, ChildStream):
            top = self._pixxel.stream(top.parent)
        run_interruptibly(partial(top.fetch, 0, 1), self._pixxel.stop.check)

    def each_row(self, reading: Reading) -> Iterator[tuple[Keys, RawRow]]:
        """Give all rows, each with what its list's path was filled with."""
        for keys, rows in self._pages(reading):
            for row in rows:
                yield keys, row

    def remark(self) -> None:
        """Say also how many parents were left out."""
        super().remark()
        if self._reading:
            self._reading.remark()

    def _parents(self, reading: Reading) -> Iterator[Keys]:
        """Give what fills the path, for each row of the parent's list."""
        parent, seen = self._pixxel.stream(self.parent), RecentKeys()
        for above, row in parent.each_row(reading):
            key = parent.key_in_path(row)
            if key is None or str(key) in _NO_NAMES:
                reading.nameless += 1
                continue
            keys = {**above, parent.place: str(key)}
            # Rows may share a list, as a block's versions do.
            if seen.add_if_new(tuple(keys.values())):
                yield keys

    def _pages(self, reading: Reading) -> Iterator[tuple[Keys, list[RawRow]]]:
        """Read the parents' lists, the first pages of several at once, in the parents' order."""
        parents = self._parents(reading)
        if self.ABORT_AT_RECORD_COUNT is not None:
            parents = islice(parents, _TRIED)
        window, check = self.settings.concurrency, self._pixxel.stop.check
        calls = (partial(self._begin, each) for each in parents)
        with OrderedExecutor(calls, concurrency=window, check=check) as lists:
            for keys, first in lists:
                if isinstance(first, Forbidden | NotFound):
                    reading.leave_out(keys, first)
                    continue
                fetch = with_first_page(self._fetch_of(keys), first)
                sweep = ListScan(fetch, self.paging, **self.sweep_options())
                try:
                    for rows in sweep:
                        yield keys, rows
                except (Forbidden, NotFound) as error:
                    reading.leave_out(keys, error)
                else:
                    reading.take(sweep)

    def _begin(self, keys: Keys) -> tuple[Keys, Page | Forbidden | NotFound]:
        """Read the first page of a parent's list; called from several threads."""
        limit = max(self.settings.page_size, 1 + self.paging.overlap)
        try:
            return keys, self._fetch_of(keys)(0, limit)
        except (Forbidden, NotFound) as error:
            return keys, error

    def _fetch_of(self, keys: Keys) -> FetchPage:
        path = self.path.format_map({name: quote(key, safe="") for name, key in keys.items()})
        return lambda offset, limit: self.listed_page(offset, limit, {}, path)
