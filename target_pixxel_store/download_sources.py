"""What can be downloaded, as one file each: a table of the kinds of sources, and their identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DIGEST_DIGITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SourceKind:
    """A kind of source: how it is identified, named and requested.

    Attributes:
        name: Its name in the journal and in the names of partial files.
        noun: How messages name one.
        ids: The fields with the ids that identify one.
        method, path: The request of a download; the path has braces for the ids, in their order.
        make_body: Returns the body of the request; None for no body.
        folder: The folder of its file, where neither the record nor the template gives one.
        lists: The fields with names of its parts, which belong to the identity as sets.
        is_polled: Whether the response has an id, by which a GET below the path polls. Otherwise
            the request is repeated, as the API identifies its package by nothing else.
        has_status: Whether it may be unfinished, so that its status is read before the request.
        has_listed_statuses: Whether the contract lists the statuses of its package.
    """

    name: str
    noun: str
    ids: tuple[str, ...]
    method: str
    path: str
    make_body: Callable[[DownloadSource], dict[str, Any] | None]
    folder: str
    lists: tuple[str, ...] = ()
    is_polled: bool = False
    has_status: bool = True
    has_listed_statuses: bool = False


class DownloadSource(NamedTuple):
    """What a download downloads; equal ones are the same download.

    Attributes:
        kind: Its kind.
        ids: Its ids, in the order of `kind.ids`.
        parts: The names of its parts, in the order of `kind.lists`, each sorted and without
            repetitions; empty for all parts.
    """

    kind: SourceKind
    ids: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """Its ids and the names of its parts, as records, journal and outcomes have them."""
        lists = {name: list(each) for name, each in self._named_parts() if each}
        return dict(zip(self.kind.ids, self.ids, strict=True)) | lists

    @property
    def request_path(self) -> str:
        """The path of the request of its download."""
        return self.kind.path.format(*(quote(each, safe="") for each in self.ids))

    @property
    def file_stem(self) -> str:
        """A name that no other source has: of its partial file, and of a file without a name."""
        return self.ids[0] if self.kind is CATALOG else f"{self.kind.name}-{self._digest()}"

    @property
    def default_folder(self) -> str:
        """The path of a folder that no other source has."""
        folder = self.kind.folder.format(*(quote(each, safe="") for each in self.ids))
        return f"{folder}/{self._digest()}" if any(self.parts) else folder

    def _named_parts(self) -> zip[tuple[str, tuple[str, ...]]]:
        return zip(self.kind.lists, self.parts, strict=True)

    def _digest(self) -> str:
        identity = msgspec.json.encode((self.kind.name, self.ids, self.parts))
        return hashlib.sha256(identity).hexdigest()[:_DIGEST_DIGITS]


def make_source(kind: SourceKind, fields: Mapping[str, Any]) -> DownloadSource:
    """Return the source of a kind with these `DownloadSource.fields`.

    Raises:
        KeyError: An id is missing.
    """
    parts = tuple(tuple(sorted(set(fields.get(name) or ()))) for name in kind.lists)
    return DownloadSource(kind, tuple(fields[name] for name in kind.ids), parts)


def catalog_source(catalog_id: str) -> DownloadSource:
    """Return the source that is a catalog."""
    return DownloadSource(CATALOG, (catalog_id,))


def _catalog_body(source: DownloadSource) -> dict[str, Any]:
    """Return both lists of ids, one of them empty, as the API requires."""
    return {"catalog_ids": list(source.ids), "order_item_ids": []}


def _parts_body(source: DownloadSource) -> dict[str, Any]:
    return {name: source.fields[name] for name in source.kind.lists if name in source.fields}


def _no_body(_source: DownloadSource) -> None:
    return None


CATALOG = SourceKind(
    "catalog", "the catalog", ("catalog_id",),
    "POST", "/v0/catalogs/download", _catalog_body, "{}", is_polled=True, has_status=False,
    has_listed_statuses=True,
)  # fmt: skip
AOI_ASSETS = SourceKind(
    "assets", "an asset of the area of interest", ("aoi_id",),
    "POST", "/v0/aois/{}/downloads", _parts_body, "aois/{}/assets", ("asset_ids",), is_polled=True,
)  # fmt: skip
INSIGHT = SourceKind(
    "insight", "the insight", ("aoi_id", "insight_id"),
    "PUT", "/v0/aoi/{}/insights/{}/download", _parts_body, "aois/{}/insights/{}",
    ("inputs", "outputs"),
)  # fmt: skip
JOB = SourceKind(
    "job", "the job", ("workflow_id", "job_id"),
    "PUT", "/v0/workflows/{}/jobs/{}/download", _no_body, "workflows/{}/jobs/{}",
)  # fmt: skip
TASK = SourceKind(
    "task", "the task", ("workflow_id", "job_id", "task_id"),
    "PUT", "/v0/workflows/{}/jobs/{}/tasks/{}/download", _no_body, "workflows/{}/jobs/{}/tasks/{}",
)  # fmt: skip
KINDS = {kind.name: kind for kind in (CATALOG, AOI_ASSETS, INSIGHT, JOB, TASK)}
"""The kinds of sources by name."""
