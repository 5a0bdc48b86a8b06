"""Child streams: a list for each row of another stream, several read at once, in order."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from pixxel_api.errors import Forbidden, NotFound, PixxelError
from pixxel_api.pagination.concurrency import OrderedExecutor, run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import with_first_page
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.scan_report import RowBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.pagination.paging import FetchPage, Page
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.stream_types.scan_report import ScanReport

PathParams = dict[str, str]
"""Values of the parameters of a path: the ids of the rows above a list."""

_UNSAFE_PATH_VALUES = frozenset({"", ".", ".."})  # lead to another list (RFC 3986, 5.2.4)
_MAX_TEST_PARENTS = 20  # whose lists --test reads to find a record


class ParentFailedError(PixxelError):
    """A stream above the stream could not be read."""


class ChildStream(PixxelStream):
    """A list for each row of the parent stream's list.

    Its `path` has the parents' `path_param` in braces. A parent whose list answers 403 or 404 is
    logged and counted, and the others are read. The state keeps the names of the skipped lists;
    once a list can be read, it is read from its beginning.
    """

    parent: ClassVar[type[PixxelStream]]

    @classmethod
    def endpoint_paths(cls) -> tuple[str, ...]:
        """Return the paths that the stream reads, its own first."""
        return (cls.path, *cls.parent.endpoint_paths())

    def scan_rows(
        self, context: Mapping[str, Any] | None, bookmark: Bookmark | None, report: ScanReport
    ) -> Iterator[RowBatch]:
        """Scan the lists of all parents.

        Raises:
            ParentFailedError: A stream above this one has failed in this run.
            Forbidden: The token may read none of them, or nothing any more.
            NotFound: The API has none of them.
        """
        del context
        for each in self._list_ancestors():
            if each.name in self._stream_context.failures:
                raise ParentFailedError(f"its parent stream {each.name} could not be read")
        readable = False
        for batch in self.scan_all(report):
            readable = True
            yield batch
        skipped = report.skipped
        if skipped.first_error and not readable:
            raise skipped.first_error
        if skipped.refusal:
            self._check_token()
        if bookmark:
            bookmark.forbidden_parents = skipped.names
        elif skipped.refusal:
            self.mark_incomplete()  # records that cannot be read still exist

    def _check_token(self) -> None:
        """Fetch a list that was readable before: after a token expires, all requests fail.

        Raises:
            Forbidden: The token may not read it any more.
        """
        *_, top = self._list_ancestors()
        run_interruptibly(partial(top.fetch_page, 0, 1), self.check_stop)

    def _list_ancestors(self) -> Iterator[PixxelStream]:
        """Yield the streams above this one, the parent first."""
        stream: PixxelStream = self
        while isinstance(stream, ChildStream):
            stream = self._stream_context.get_stream(stream.parent)
            yield stream

    def scan_all(self, report: ScanReport) -> Iterator[RowBatch]:
        """Scan the parents' lists in the parents' order, several first pages at once."""
        parents = self._list_parents(report)
        if self.ABORT_AT_RECORD_COUNT is not None:
            parents = islice(parents, _MAX_TEST_PARENTS)
        calls = (partial(self._fetch_first_page, each) for each in parents)
        with OrderedExecutor(
            calls, concurrency=self.settings.concurrency, check=self.check_stop
        ) as lists:
            for path_params, first in lists:
                if isinstance(first, Forbidden | NotFound):
                    report.skipped.add(path_params, first)
                    continue
                fetch = with_first_page(self._page_fetcher(path_params), first)
                scan = ListScan(fetch, self.paging, self.scan_options())
                try:
                    for rows in report.follow(scan):
                        yield RowBatch(rows, path_params)
                except (Forbidden, NotFound) as error:
                    report.skipped.add(path_params, error)

    def _list_parents(self, report: ScanReport) -> Iterator[PathParams]:
        """Yield the path parameters of the list of each row of the parent stream."""
        parent, known = self._stream_context.get_stream(self.parent), RecentKeys()
        for batch in parent.scan_all(report):
            for row in batch.rows:
                value = parent.path_value(row)
                if value is None or str(value) in _UNSAFE_PATH_VALUES:
                    report.skipped.without_id += 1
                    continue
                path_params = {**batch.path_params, parent.path_param: str(value)}
                # Rows may share a list, as the versions of a block do.
                if known.add_if_new(tuple(path_params.values())):
                    yield path_params

    def _fetch_first_page(
        self, path_params: PathParams
    ) -> tuple[PathParams, Page | Forbidden | NotFound]:
        """Fetch the first page of a parent's list; called from several threads."""
        limit = max(self.settings.page_size, 1 + self.paging.overlap)
        try:
            return path_params, self._page_fetcher(path_params)(0, limit)
        except (Forbidden, NotFound) as error:
            return path_params, error

    def _page_fetcher(self, path_params: PathParams) -> FetchPage:
        path = self.path.format_map(
            {name: quote(value, safe="") for name, value in path_params.items()}
        )
        return lambda offset, limit: self.fetch_list_page(offset, limit, {}, path)
