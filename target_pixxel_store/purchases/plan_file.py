"""The file of a plan: written by a planning run, and read by the run that it is approved for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_singer.errors import InputError
from target_pixxel_store.errors import OutcomeFileError
from target_pixxel_store.outcomes.files import replace_file
from target_pixxel_store.purchases.plan import LINE_PREFIXES, parse_plan

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from target_pixxel_store.purchases.plan import Plan


@dataclass(eq=False, repr=False)
class PlanFile:
    """The file of a plan.

    Attributes:
        path: The file.
        approved: The plan that may be placed; None where one is made.
    """

    path: Path
    approved: Plan | None = None

    def write(self, content: bytes) -> None:
        """Replace the file.

        Raises:
            OutcomeFileError: It cannot be written.
        """
        try:
            replace_file(self.path, content)
        except OSError as error:
            raise OutcomeFileError(
                f"cannot write the file of 'plan_path': {error.strerror}"
            ) from None


def open_plan_file(
    path: Path, digest: str | None, max_requests: int, made: Collection[str]
) -> PlanFile:
    """Read the approved plan, or check that a new one can be written.

    Args:
        path: The file.
        digest: The digest of the plan that may be placed; None to make a plan.
        max_requests: How many requests it may have.
        made: The digests of the plans that the journal has.

    Raises:
        InputError: The file is not the approved plan, or the journal does not have it; or the
            file is no plan, and would be replaced.
    """
    try:
        if digest is not None:
            approved = _read_approved(path, digest, max_requests)
            if digest not in made:
                raise InputError(
                    "Setting 'journal_path': the journal does not have the plan of "
                    "'approve_plan'; nothing was placed. Name the journal that the plan was made "
                    "with; if it was lost, look in Pixxel at what exists and make a new plan"
                )
            return PlanFile(path, approved)
        if path.exists() and path.stat().st_size and path.is_file():
            with path.open("rb") as file:
                if not file.readline().startswith(LINE_PREFIXES):
                    raise InputError(
                        "Setting 'plan_path': the file exists and is not a plan; it stays as it is"
                    )
    except OSError as error:
        raise InputError(f"Setting 'plan_path': cannot read the file: {error.strerror}") from None
    if not os.access(path.absolute().parent, os.W_OK):
        raise InputError("Setting 'plan_path': the folder does not exist or is not writable")
    return PlanFile(path)


def _read_approved(path: Path, digest: str, max_requests: int) -> Plan:
    try:
        plan = parse_plan(path.read_bytes(), max_requests)
    except ValueError as reason:
        raise InputError(
            f"Setting 'plan_path': the file {reason}; nothing was placed. Make a new plan"
        ) from None
    if plan.total.plan_digest != digest:
        raise InputError(
            "Setting 'approve_plan' is not the digest of the plan in 'plan_path'; nothing was "
            "placed. Review the plan, and approve its 'plan_digest'"
        )
    return plan
