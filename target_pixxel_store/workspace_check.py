"""The guard: the right API and the right workspace, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import WorkspaceMismatchError
from target_pixxel_store.settings_schema import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_pixxel_store.api.client import StoreApi

SANDBOX_HEADER = "X-Pixxel-Sandbox"
"""What a sandbox marks its answers with."""
WORKSPACE_FIELD = "org_id"
"""The field that says of which workspace something is."""


def make_environment_check(environment: str | None) -> Callable[[Mapping[str, str]], None]:
    """Make what looks at the headers of each answer.

    Args:
        environment: production, sandbox, or None for either.
    """

    def inspect(headers: Mapping[str, str]) -> None:
        sandbox = SANDBOX_HEADER in headers
        if environment is not None and sandbox != (environment == SANDBOX):
            what = "a sandbox" if sandbox else "no sandbox"
            raise WorkspaceMismatchError(
                f"the API answers as {what}, and 'environment' is {environment}; check 'api_url'"
            )

    return inspect


def check_workspace(workspace_id: str | None, record: Mapping[str, Any], label: str) -> None:
    """Check that a record is of the workspace that the settings want.

    Args:
        workspace_id: The id, None where any will do.
        record: With an `org_id`, or without.
        label: What it is, for the message.

    Raises:
        WrongPlaceError: It is of another one.
    """
    if workspace_id is not None and record.get(WORKSPACE_FIELD) not in (None, workspace_id):
        raise WorkspaceMismatchError(
            f"{label} is of another workspace than 'workspace' says; nothing more is written"
        )


def read_workspaces(api: StoreApi, workspace_id: str | None, journal_ids: set[str]) -> set[str]:
    """Give the ids of the workspaces that the token reads.

    Args:
        api: Asks.
        workspace_id: The id that it must be.
        journal_ids: Ids of the workspaces that the journal is of.

    Raises:
        WrongPlaceError: It is another workspace.
    """
    found = api.read_workspace_ids()
    if workspace_id is not None and found != {workspace_id}:
        what = (
            "is of another workspace than 'workspace' says"
            if found
            else "reads no project, catalog or order that would name its workspace"
        )
        raise WorkspaceMismatchError(f"the token {what}; nothing was written")
    if journal_ids and found and journal_ids.isdisjoint(found):
        raise WorkspaceMismatchError(
            "the journal is of another workspace than the token; set 'journal_path' to one of its "
            "own"
        )
    return found
