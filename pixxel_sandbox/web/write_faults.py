"""Faults of writes that are accepted, while the client gets no, a wrong or a partial response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.web.errors import RequestRejected, error_response
from pixxel_sandbox.web.faults import drop_connection

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.runtime_state import SandboxState


@dataclass(frozen=True)
class PendingWrite:
    """A validated write.

    Attributes:
        parts: Its parts, one or more.
        execute: Executes all or some of the parts, and returns the response that lists them.
    """

    parts: list[Any]
    execute: Callable[[list[Any]], Response]


PrepareWrite = Callable[[], PendingWrite]

WRITE_FAULTS = ("accept_late", "drop_accepted", "fail_accepted", "accept_part")


def perform_write(state: SandboxState, prepare: PrepareWrite) -> ASGIApp:
    """Execute a write, and return the response or a fault in its place.

    Raises:
        RequestRejected: The write is invalid; nothing was changed.
    """
    write = prepare()
    fault = _draw_fault(state, write)
    if fault == "accept_late":
        state.scheduler.call_later(
            state.behavior.accept_late_seconds, partial(_execute_late, state, prepare)
        )
        return drop_connection(_send_nothing)
    parts = _draw_parts(state, write.parts) if fault == "accept_part" else write.parts
    response = write.execute(parts)
    if fault == "drop_accepted":
        return drop_connection(response)
    if fault == "fail_accepted":
        return _server_error(HTTPStatus.INTERNAL_SERVER_ERROR)
    if fault == "accept_part" and state.behavior.part_error:
        return _server_error(HTTPStatus(state.behavior.part_error))
    return response


def _draw_fault(state: SandboxState, write: PendingWrite) -> str | None:
    """Draw the first fault that happens; only a write of several parts can be accepted in part."""
    faults = WRITE_FAULTS if len(write.parts) > 1 else WRITE_FAULTS[:-1]
    return next((name for name in faults if state.happens(getattr(state.behavior, name))), None)


def _draw_parts(state: SandboxState, parts: list[Any]) -> list[Any]:
    """Draw at least one part but not all, in their order."""
    count = state.rng.randint(1, len(parts) - 1)
    return [parts[index] for index in sorted(state.rng.sample(range(len(parts)), count))]


def _execute_late(state: SandboxState, prepare: PrepareWrite) -> None:
    with state.workspace.lock:
        try:
            write = prepare()
        except RequestRejected:
            return  # the workspace has changed since the request
        write.execute(write.parts)


def _server_error(status: HTTPStatus) -> Response:
    return error_response(status, "something went wrong")


async def _send_nothing(*_: object) -> None:
    """Send nothing; in place of the response to a write that is executed later."""
