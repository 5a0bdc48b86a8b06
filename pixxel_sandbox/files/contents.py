"""The files in the zips of downloads, by the resource of what was downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.seed.raw_json import decode_bytes_or_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.workspace import Workspace


def list_members(workspace: Workspace, resource: str, keys: tuple[str, ...]) -> Json:
    """Return the JSON of each file of a download, by its name in the zip.

    Args:
        workspace: The workspace.
        resource: The resource of what is in the download.
        keys: Ids of `catalogs` or `aoi_assets`; the id of one of the `insights`, and any of its
            `inputs/NAME` and `outputs/NAME`; or the id of one of the `jobs`, and any of its tasks.
            An insight or a job alone is all of it.

    Raises:
        KeyError: Something does not exist.
    """
    return _MEMBERS[resource](workspace, keys)


def _list_catalogs(workspace: Workspace, keys: tuple[str, ...]) -> Json:
    return {f"{key}.json": workspace.get("catalogs", key)["details"] for key in keys}


def _list_assets(workspace: Workspace, keys: tuple[str, ...]) -> Json:
    return {f"{key}.json": workspace.get("aoi_assets", key) for key in keys}


def _list_insight(workspace: Workspace, keys: tuple[str, ...]) -> Json:
    key, *parts = keys
    row = workspace.get("insights", key)
    known = {
        f"{name}s/{member}": value
        for name in ("input", "output")
        for member, value in _members_of(name, decode_bytes_or_json(row[name])).items()
    }
    return {f"{part}.json": known[part] for part in parts or known}


def _members_of(name: str, value: object) -> Json:
    """Return the members of an object; any other JSON is one member."""
    return value if isinstance(value, dict) else {name: value}


def _list_job(workspace: Workspace, keys: tuple[str, ...]) -> Json:
    key, *parts = keys
    tasks = {task["id"]: task for task in workspace.get("jobs", key)["tasks"]}
    wanted = [tasks[part] for part in parts or tasks]
    return {f"{task['name']}.json": decode_bytes_or_json(task["result"]) for task in wanted}


_MEMBERS: Mapping[str, Callable[[Workspace, tuple[str, ...]], Json]] = {
    "catalogs": _list_catalogs,
    "aoi_assets": _list_assets,
    "insights": _list_insight,
    "jobs": _list_job,
}
