"""Cases of what can be downloaded: one for each kind of source, in the contents of a sandbox."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.target_pixxel_store.target_harness import record

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox
    from tests.target_pixxel_store.target_harness import Json

KINDS = ("catalog", "assets", "insight", "insight parts", "job", "task")


@dataclass(frozen=True)
class SourceCase:
    """A source that can be downloaded.

    Attributes:
        fields: The fields of a record that requests it.
        ids: The ids that its outcome has.
        folder: The folder of its file without a path or a template; its beginning, if it ends in
            a digest.
        request: The method and the path of the request of its download.
        resource, keys: What its file contains, as `Sandbox.digest` names it.
    """

    fields: Json
    ids: Json
    folder: str
    request: tuple[str, str]
    resource: str
    keys: tuple[str, ...]

    @property
    def message(self) -> Json:
        """The RECORD message that requests it."""
        return record("download_requests", **self.fields)

    def count_requests(self, sandbox: Sandbox) -> int:
        """Return the number of requests of its download."""
        return sum((each.method, each.path) == self.request for each in sandbox.requests)

    def is_complete(self, sandbox: Sandbox, line: Json) -> bool:
        """Return whether the file of an outcome has the bytes of the sandbox's object."""
        content = Path(line["object"]).read_bytes()
        expected = sandbox.digest(*self.keys, resource=self.resource)
        return (len(content), hashlib.sha256(content).hexdigest()) == tuple(expected)


def make_case(sandbox: Sandbox, kind: str) -> SourceCase:
    """Return the case of a kind; what it names is finished."""
    return _MAKERS[kind](sandbox)


def find_done(sandbox: Sandbox, resource: str) -> Json:
    """Return a finished row of a resource."""
    rows = sandbox.workspace.rows(resource)
    return next(each for each in rows if each["status"] in {"success", "completed"})


def find_assets(sandbox: Sandbox, count: int = 3) -> tuple[str, list[str]]:
    """Return the id of an area of interest, and the sorted ids of its assets, all finished."""
    aoi_id = find_done(sandbox, "aoi_assets")["aoi_id"]
    template = next(e for e in sandbox.workspace.rows("aoi_assets") if e["aoi_id"] == aoi_id)
    made = [sandbox.workspace.insert_copy("aoi_assets", template["id"]) for _ in range(count)]
    for each in made:
        sandbox.workspace.update("aoi_assets", each, status="success")
    return aoi_id, sorted(made)


def _make_catalog(sandbox: Sandbox) -> SourceCase:
    key = sandbox.workspace.ids("catalogs")[0]
    fields = {"catalog_id": key}
    return SourceCase(fields, fields, key, ("POST", "/v0/catalogs/download"), "catalogs", (key,))


def _make_assets(sandbox: Sandbox) -> SourceCase:
    aoi_id, assets = find_assets(sandbox)
    fields = {"aoi_id": aoi_id, "asset_ids": [*reversed(assets), assets[0]]}
    ids = {"aoi_id": aoi_id, "asset_ids": assets}
    request = ("POST", f"/v0/aois/{aoi_id}/downloads")
    return SourceCase(fields, ids, f"aois/{aoi_id}/assets/", request, "aoi_assets", (*assets,))


def _make_insight(sandbox: Sandbox) -> SourceCase:
    row = find_done(sandbox, "insights")
    aoi_id, key = row["aoi_id"], row["id"]
    fields = {"aoi_id": aoi_id, "insight_id": key}
    request = ("PUT", f"/v0/aoi/{aoi_id}/insights/{key}/download")
    return SourceCase(fields, fields, f"aois/{aoi_id}/insights/{key}", request, "insights", (key,))


def _make_insight_parts(sandbox: Sandbox) -> SourceCase:
    whole = _make_insight(sandbox)
    parts = {"inputs": ["threshold", "aoi_id"], "outputs": ["share"]}
    keys = (*whole.keys, "inputs/aoi_id", "inputs/threshold", "outputs/share")
    folder = f"{whole.folder}/"
    return SourceCase(whole.fields | parts, whole.ids, folder, whole.request, "insights", keys)


def _make_job(sandbox: Sandbox) -> SourceCase:
    row = find_done(sandbox, "jobs")
    workflow_id, key = row["workflow_id"], row["id"]
    fields = {"workflow_id": workflow_id, "job_id": key}
    folder = f"workflows/{workflow_id}/jobs/{key}"
    return SourceCase(fields, fields, folder, ("PUT", f"/v0/{folder}/download"), "jobs", (key,))


def _make_task(sandbox: Sandbox) -> SourceCase:
    job, row = _make_job(sandbox), find_done(sandbox, "jobs")
    key = row["tasks"][0]["id"]
    fields, folder = {**job.fields, "task_id": key}, f"{job.folder}/tasks/{key}"
    request = ("PUT", f"/v0/{folder}/download")
    return SourceCase(fields, fields, folder, request, "jobs", (*job.keys, key))


_MAKERS = dict(
    zip(
        KINDS,
        (_make_catalog, _make_assets, _make_insight, _make_insight_parts, _make_job, _make_task),
        strict=True,
    )
)
