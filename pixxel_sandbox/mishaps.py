"""Mishaps: writes that are accepted, and whose caller does not get to know it in full."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp

from pixxel_sandbox.complaints import Complaint, envelope
from pixxel_sandbox.faults import dropped
from pixxel_sandbox.front import Desk


@dataclass(frozen=True)
class Write:
    """A write that was checked and can be carried out.

    Attributes:
        parts: what it consists of, one or more.
        carry_out: does some or all of the parts, and makes the answer that lists them.
    """

    parts: list[Any]
    carry_out: Callable[[list[Any]], Response]


Check = Callable[[], Write]

SWITCHES: Final = ("accept_late", "drop_accepted", "fail_accepted", "accept_part")


def written(desk: Desk, check: Check) -> ASGIApp:
    """Carries out a write, and returns what its caller hears of it.

    Raises:
        Complaint: the write is refused; nothing was done.
    """
    write = check()
    mishap = _drawn(desk, write)
    if mishap == "accept_late":
        desk.agenda.after(desk.habits.late_seconds, partial(_late, desk, check))
        return dropped(_unanswered)
    parts = _some(desk, write.parts) if mishap == "accept_part" else write.parts
    answer = write.carry_out(parts)
    if mishap == "drop_accepted":
        return dropped(answer)
    if mishap == "fail_accepted":
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR)
    if mishap == "accept_part" and desk.habits.part_error:
        return _error(HTTPStatus(desk.habits.part_error))
    return answer


def _drawn(desk: Desk, write: Write) -> str | None:
    """Draws the first mishap that is to happen; only several parts can be accepted in part."""
    switches = SWITCHES if len(write.parts) > 1 else SWITCHES[:-1]
    return next((name for name in switches if desk.chances(getattr(desk.habits, name))), None)


def _some(desk: Desk, parts: list[Any]) -> list[Any]:
    """Draws at least one of the parts and not all, in their order."""
    count = desk.chance.randint(1, len(parts) - 1)
    return [parts[place] for place in sorted(desk.chance.sample(range(len(parts)), count))]


def _late(desk: Desk, check: Check) -> None:
    with desk.workspace.lock:
        try:
            write = check()
        except Complaint:
            return  # it could have been accepted when it came
        write.carry_out(write.parts)


def _error(status: HTTPStatus) -> Response:
    return envelope(status, "something went wrong")


async def _unanswered(*_: object) -> None:
    """Stands for the answer to a write that nothing has been done about yet."""
