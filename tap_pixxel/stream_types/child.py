"""Child streams: a list for each row of another stream, several read at once, in order."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import PixxelError
from pixxel_api.pagination.concurrency import OrderedExecutor
from pixxel_api.pagination.list_scan import ListScan
from pixxel_api.pagination.paging import with_first_page
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.refusals import REFUSALS
from tap_pixxel.stream_types.scan_report import RowBatch
from tap_pixxel.stream_types.shared_scan import format_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.pagination.paging import FetchPage, Page
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.stream_types.refusals import RefusalTypes, RowRefusal
    from tap_pixxel.stream_types.scan_report import ScanReport
    from tap_pixxel.stream_types.shared_scan import PathParams

_MAX_TEST_PARENTS = 20  # whose lists --test reads to find a record


class ParentFailedError(PixxelError):
    """A stream above the stream could not be read."""


class ChildStream(PixxelStream):
    """A list for each row of the parent stream's list.

    Its `path` has the parents' `path_param` in braces. A parent whose list is refused is logged and
    counted, and the others are read. The state keeps the names of the skipped lists; once a list
    can be read, it is read from its beginning.
    """

    parent: ClassVar[type[PixxelStream]]
    refusals: ClassVar[RefusalTypes] = REFUSALS
    """Errors that concern the list of one parent only."""

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
            BadRequest, Forbidden, NotFound: None of them can be read, or nothing any more.
        """
        del context
        for each in self._list_ancestors():
            if each.name in self._stream_context.failures:
                raise ParentFailedError(f"its parent stream {each.name} could not be read")
        yield from self.scan_all(report)
        skipped = report.skipped
        if skipped.refusal:
            self.check_token()
        if bookmark:
            bookmark.forbidden_parents = skipped.names
        elif skipped.may_exist:
            self.mark_incomplete()

    def check_token(self) -> None:
        """Fetch a page of the list at the top, whose path has no ids."""
        *_, top = self._list_ancestors()
        top.check_token()

    def _list_ancestors(self) -> Iterator[PixxelStream]:
        """Yield the streams above this one, the parent first."""
        stream: PixxelStream = self
        while isinstance(stream, ChildStream):
            stream = self._stream_context.get_stream(stream.parent)
            yield stream

    def scan_all(self, report: ScanReport) -> Iterator[RowBatch]:
        """Scan the parents' lists in the parents' order, several first pages at once.

        Raises:
            BadRequest, Forbidden, NotFound: None of the lists can be read.
        """
        readable, refusal = False, None
        parents = self._stream_context.get_stream(self.parent).child_lists.read(report)
        if self.ABORT_AT_RECORD_COUNT is not None:
            parents = islice(parents, _MAX_TEST_PARENTS)
        calls = (partial(self._fetch_first_page, each) for each in parents)
        with OrderedExecutor(
            calls, concurrency=self.settings.concurrency, check=self.check_stop
        ) as lists:
            for path_params, first in lists:
                if isinstance(first, PixxelError):
                    refusal = refusal or first
                    report.skipped.add(path_params, first)
                    continue
                readable = True
                fetch = with_first_page(self._page_fetcher(path_params), first)
                scan = ListScan(fetch, self.paging, self.scan_options())
                try:
                    for rows in report.follow(scan):
                        yield RowBatch(rows, path_params)
                except self.refusals as error:
                    report.skipped.add(path_params, error)
        if refusal and not readable:
            raise refusal

    def _fetch_first_page(self, path_params: PathParams) -> tuple[PathParams, Page | RowRefusal]:
        """Fetch the first page of a parent's list; called from several threads."""
        limit = max(self.settings.page_size, 1 + self.paging.overlap)
        try:
            return path_params, self._page_fetcher(path_params)(0, limit)
        except self.refusals as error:
            return path_params, error

    def _page_fetcher(self, path_params: PathParams) -> FetchPage:
        path = format_path(self.path, path_params)
        return lambda offset, limit: self.fetch_list_page(offset, limit, {}, path)
