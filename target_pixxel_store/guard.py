"""The guard: the right API and the right workspace, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.schema import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_pixxel_store.api import Api

SANDBOX_HEADER = "X-Pixxel-Sandbox"
"""What a sandbox marks its answers with."""
WORKSPACE = "org_id"
"""The field that says of which workspace something is."""


class WrongPlaceError(Exception):
    """The API, the token or a record is of another place than the settings say."""


def inspector(environment: str | None) -> Callable[[Mapping[str, str]], None]:
    """Make what looks at the headers of each answer.

    Args:
        environment: production, sandbox, or None for either.
    """

    def inspect(headers: Mapping[str, str]) -> None:
        sandbox = SANDBOX_HEADER in headers
        if environment is not None and sandbox != (environment == SANDBOX):
            what = "a sandbox" if sandbox else "no sandbox"
            raise WrongPlaceError(
                f"the API answers as {what}, and 'environment' is {environment}; check 'api_url'"
            )

    return inspect


def check_workspace(wanted: str | None, record: Mapping[str, Any], what: str) -> None:
    """Check that a record is of the workspace that the settings want.

    Args:
        wanted: The id, None where any will do.
        record: With an `org_id`, or without.
        what: What it is, for the message.

    Raises:
        WrongPlaceError: It is of another one.
    """
    if wanted is not None and record.get(WORKSPACE) not in (None, wanted):
        raise WrongPlaceError(
            f"{what} is of another workspace than 'workspace' says; nothing more is written"
        )


def read_workspaces(api: Api, wanted: str | None, known: set[str]) -> set[str]:
    """Give the ids of the workspaces that the token reads.

    Args:
        api: Asks.
        wanted: The id that it must be.
        known: Ids of the workspaces that the journal is of.

    Raises:
        WrongPlaceError: It is another workspace.
    """
    found = api.workspaces()
    if wanted is not None and found != {wanted}:
        what = (
            "is of another workspace than 'workspace' says"
            if found
            else "reads no project, catalog or order that would name its workspace"
        )
        raise WrongPlaceError(f"the token {what}; nothing was written")
    if known and found and known.isdisjoint(found):
        raise WrongPlaceError(
            "the journal is of another workspace than the token; set 'journal_path' to one of its "
            "own"
        )
    return found
