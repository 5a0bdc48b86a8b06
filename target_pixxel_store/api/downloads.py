"""The requests of downloads, and of the state of what they download."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pixxel_api.errors import ApiError, NotFound, UnexpectedResponse
from pixxel_api.json_decoding import row_to_python
from pixxel_api.timestamps import is_set_time
from target_pixxel_store.api.errors import UNKNOWN_CATALOG
from target_pixxel_store.api.models import (
    Download,
    Fields,
    Progress,
    find_progress,
    read_status,
)
from target_pixxel_store.download_sources import AOI_ASSETS, CATALOG, INSIGHT, JOB, TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_api.response import JsonResponse
    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.download_sources import DownloadSource, SourceKind

    ProblemFinder = Callable[["DownloadApi", DownloadSource], "SourceProblem | None"]

_UNKNOWN_ID_STATUSES = frozenset({400, 404})
_KEEP_SECONDS = 60.0  # that a list of assets is kept; longer where reading it takes long
_MAX_KEPT_LISTS = 20  # of assets
_DOWNLOAD_ID_FIELDS = ("download_id", "id")  # of areas, and of catalogs


class SourceProblem(NamedTuple):
    """Why a source cannot be downloaded.

    Attributes:
        is_pending: Whether a later run may download it.
    """

    reason: str
    is_pending: bool = False


@dataclass(eq=False, repr=False)
class DownloadApi:
    """The requests of downloads.

    Attributes:
        api: Sends other requests.
    """

    api: StoreApi
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _assets: dict[str, tuple[float, dict[str, Fields]]] = field(init=False, default_factory=dict)

    def request_download(self, source: DownloadSource) -> Download:
        """Request the download of a source; it may have been executed even where this raises."""
        kind, body = source.kind, source.kind.make_body(source)
        answer = self.api.client.send_once(kind.method, source.request_path, body=body)
        return _parse_download(source, answer)

    def get_download(self, source: DownloadSource, download_id: str) -> Download | None:
        """Return a download of a source; None where the API does not know it (any more)."""
        path = f"{source.request_path}/{quote(download_id, safe='')}"
        try:
            answer = self.api.client.send_with_retries("GET", path)
        except NotFound:
            return None
        return _parse_download(source, answer)

    def find_problem(self, source: DownloadSource) -> SourceProblem | None:
        """Return why a source cannot be downloaded: it does not exist, failed, or is unfinished."""
        find, unknown_reason = _FINDERS[source.kind]
        try:
            return find(self, source)
        except ApiError as error:
            if error.status not in _UNKNOWN_ID_STATUSES:
                raise
            return SourceProblem(unknown_reason)

    def list_assets(self, aoi_id: str, *, is_kept: bool) -> dict[str, Fields]:
        """List the assets of an area of interest by id.

        Args:
            aoi_id: Id of the area.
            is_kept: Whether a list may be used that was read for another source.
        """
        with self._lock:
            expiry, kept = self._assets.pop(aoi_id, (0.0, {}))
            start = time.monotonic()
            if not is_kept or start > expiry:
                path = f"/v0/aois/{quote(aoi_id, safe='')}/assets"
                names = ("status", "deleted_at")
                kept = {
                    str(row.get("id")): {name: row.get(name) for name in names}
                    for row in self.api.list_rows(path, "assets", key="id")
                }
                end = time.monotonic()
                expiry = end + max(_KEEP_SECONDS, 2 * (end - start))
            while len(self._assets) >= _MAX_KEPT_LISTS:
                del self._assets[next(iter(self._assets))]
            self._assets[aoi_id] = expiry, kept  # last, as the list that was used last
            return kept


def _find_catalog_problem(api: DownloadApi, source: DownloadSource) -> SourceProblem | None:
    is_found = api.api.find_existing_catalogs(source.ids)
    return None if is_found else SourceProblem(UNKNOWN_CATALOG)


def _find_asset_problem(api: DownloadApi, source: DownloadSource) -> SourceProblem | None:
    """Judge the assets by a kept list; by a new one before a record fails."""
    problem = _judge_assets(source, api.list_assets(source.ids[0], is_kept=True))
    if problem is not None and not problem.is_pending:
        problem = _judge_assets(source, api.list_assets(source.ids[0], is_kept=False))
    return problem


def _judge_assets(source: DownloadSource, rows: dict[str, Fields]) -> SourceProblem | None:
    [asset_ids] = source.parts
    if missing := [each for each in asset_ids if each not in rows]:
        text = "'asset_ids' are not assets of the area of interest; remove them"
        return SourceProblem(f"{len(missing)} of its {len(asset_ids)} {text}")
    problems = (_judge_status(source.kind.noun, rows[each]) for each in asset_ids)
    # A failed asset first, as waiting for another one would not help.
    return min(filter(None, problems), key=lambda each: each.is_pending, default=None)


def _find_insight_problem(api: DownloadApi, source: DownloadSource) -> SourceProblem | None:
    aoi_id, insight_id = source.ids
    path = f"/v0/aoi/{quote(aoi_id, safe='')}/insights"
    answer = api.api.client.send_with_retries("GET", path, params={"id": insight_id})
    return _judge_row(source, list(map(row_to_python, answer.rows("insights"))))


def _find_job_problem(api: DownloadApi, source: DownloadSource) -> SourceProblem | None:
    return _judge_status(source.kind.noun, _read_job(api, source))


def _find_task_problem(api: DownloadApi, source: DownloadSource) -> SourceProblem | None:
    job = _read_job(api, source)
    found = job.get("tasks")
    tasks = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if all(each.get("id") != source.ids[-1] for each in tasks):
        problem = _judge_status(JOB.noun, job)  # one that is not finished may still get its tasks
        if problem is not None and problem.is_pending:
            return problem
    return _judge_row(source, tasks)


_NO_AOI = "the area of interest does not exist in this workspace; check 'aoi_id'"
_NO_INSIGHT = "the insight does not exist in this workspace; check 'aoi_id' and 'insight_id'"
_NO_JOB = "the job does not exist in this workspace; check 'workflow_id' and 'job_id'"
_FINDERS: dict[SourceKind, tuple[ProblemFinder, str]] = {
    CATALOG: (_find_catalog_problem, UNKNOWN_CATALOG),
    AOI_ASSETS: (_find_asset_problem, _NO_AOI),
    INSIGHT: (_find_insight_problem, _NO_INSIGHT),
    JOB: (_find_job_problem, _NO_JOB),
    TASK: (_find_task_problem, _NO_JOB),
}
"""How the problem of a source is found, and the problem where the API does not know the ids."""


def _read_job(api: DownloadApi, source: DownloadSource) -> Fields:
    workflow_id, job_id = (quote(each, safe="") for each in source.ids[:2])
    path = f"/v0/workflows/{workflow_id}/jobs/{job_id}"
    return row_to_python(api.api.client.send_with_retries("GET", path).fields)


def _judge_row(source: DownloadSource, rows: list[Any]) -> SourceProblem | None:
    """Judge the row with the last id of a source."""
    for row in rows:
        if isinstance(row, dict) and row.get("id") == source.ids[-1]:
            return _judge_status(source.kind.noun, row)
    fields = " and ".join(f"'{name}'" for name in source.kind.ids)
    return SourceProblem(f"{source.kind.noun} does not exist in this workspace; check {fields}")


def _judge_status(noun: str, row: Fields) -> SourceProblem | None:
    """Judge a row by its status; without one, only the request of the download shows it."""
    status = read_status(row)
    progress = find_progress(status)
    if is_set_time(str(row.get("deleted_at") or "")):
        return SourceProblem(f"{noun} was deleted; remove it from the input")
    if progress is Progress.FAILED:
        return SourceProblem(f"{noun} has failed ({status}) and cannot be downloaded; remove it")
    if not status or progress is Progress.FINISHED:
        return None
    if progress is Progress.UNFINISHED:
        reason = f"{noun} is not finished ({status}); a later run downloads it"
    else:
        reason = f"{noun} may be unfinished ({status}); later runs wait for a status of success"
    return SourceProblem(reason, is_pending=True)


def _parse_download(source: DownloadSource, answer: JsonResponse) -> Download:
    """Parse a download.

    Raises:
        UnexpectedResponse: The response is not a download.
    """
    row = row_to_python(answer.fields)
    # The id in other responses is that of the source.
    names = _DOWNLOAD_ID_FIELDS if source.kind.is_polled else ()
    key = next((row[name] for name in names if isinstance(row.get(name), str) and row[name]), None)
    status, url = read_status(row), row.get("signed_url")
    usable_url = url if isinstance(url, str) and url else None
    # Without an id, even a response that says nothing is one of a request to be repeated.
    if source.kind.is_polled and key is None:
        reason = "the response is not a download"
        raise UnexpectedResponse(answer.method, answer.path, answer.status, reason=reason)
    return Download(key, status, usable_url, source.kind.has_listed_statuses)
