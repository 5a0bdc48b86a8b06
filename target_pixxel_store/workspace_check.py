"""Check that API, token, journal and records belong to the configured workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import WorkspaceMismatchError
from target_pixxel_store.settings_schema import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

SANDBOX_HEADER = "X-Pixxel-Sandbox"
"""Response header that only a sandbox sends."""
WORKSPACE_FIELD = "org_id"
"""Field with the id of the workspace that an object belongs to."""


def check_environment(environment: str | None, headers: Mapping[str, str]) -> None:
    """Check the headers of a response.

    Args:
        environment: production, sandbox, or None for either.
        headers: The headers.

    Raises:
        WorkspaceMismatchError: The API is of the other environment.
    """
    sandbox = SANDBOX_HEADER in headers
    if environment is not None and sandbox != (environment == SANDBOX):
        kind = "a sandbox" if sandbox else "not a sandbox"
        raise WorkspaceMismatchError(
            f"the API is {kind}, but 'environment' is {environment}; check 'api_url'"
        )


def check_workspace(workspace_id: str | None, record: Mapping[str, Any], label: str) -> None:
    """Check that a record belongs to the configured workspace.

    Args:
        workspace_id: The id; None allows any workspace.
        record: The record; without `org_id` it passes.
        label: Names the record in the message.

    Raises:
        WorkspaceMismatchError: It belongs to a different one.
    """
    if workspace_id is not None and record.get(WORKSPACE_FIELD) not in (None, workspace_id):
        raise WorkspaceMismatchError(
            f"{label} belongs to a different workspace than the setting 'workspace'; stopping"
        )


def check_workspaces(found: set[str], workspace_id: str | None, journal_ids: set[str]) -> None:
    """Check the ids of the workspaces that the token can read.

    Args:
        found: The ids.
        workspace_id: The only id allowed; None allows any.
        journal_ids: Ids of the workspaces that the journal belongs to.

    Raises:
        WorkspaceMismatchError: The token or the journal belongs to a different workspace.
    """
    if workspace_id is not None and found != {workspace_id}:
        problem = (
            "belongs to a different workspace than the setting 'workspace'"
            if found
            else "cannot read any project, catalog or order, so its workspace is unknown"
        )
        raise WorkspaceMismatchError(f"the token {problem}; nothing was written")
    if journal_ids and found and journal_ids.isdisjoint(found):
        raise WorkspaceMismatchError(
            "the journal belongs to a different workspace than the token; set 'journal_path' to a "
            "separate file"
        )
