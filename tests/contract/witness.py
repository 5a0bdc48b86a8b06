"""A witness: hears all requests to the sandboxes of this process, and their answers.

What the plugins ask is kept to the contract whatever a test is about. What a sandbox answers is
kept to it as long as all rows in its workspace are its own; a test that has put in a row or changed
one has the sandbox say what it likes. What becomes of an answer on its way, cut off or never sent,
is not the contract's business. Sandboxes in processes of their own are not heard.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from starlette.responses import Response

import pixxel_sandbox.app
from pixxel_sandbox import Workspace
from pixxel_sandbox.web.middleware import RequestMiddleware

from . import answers, requests
from .requests import PLUGINS, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from starlette.requests import Request as Received
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixxel_sandbox.runtime_state import SandboxState

Answer = tuple[str, str, int, bytes]
"""Method, path, status and body."""


class Witness:
    """Remembers what was heard until it is asked, each request and each answer once."""

    def __init__(self) -> None:
        self._known: set[object] = set()
        self._requests: list[Request] = []
        self._answers: list[Answer] = []
        self._touched: WeakSet[Workspace] = WeakSet()

    def testimony(self) -> list[str]:
        """Say what was wrong since the last time."""
        return [wrong for wrongs in (*self._asked(), *self._answered()) for wrong in wrongs]

    def _asked(self) -> Iterator[Iterator[str]]:
        while self._requests:
            yield requests.wrongs(self._requests.pop())

    def _answered(self) -> Iterator[Iterator[str]]:
        while self._answers:
            yield answers.wrongs(*self._answers.pop())

    def hear(self, request: Request, agent: str) -> None:
        """Hear a request."""
        if agent.startswith(PLUGINS) and request not in self._known:
            self._known.add(request)
            self._requests.append(request)

    def hear_answer(self, workspace: Workspace, answer: Answer) -> None:
        """Hear an answer in JSON."""
        *rest, body = answer
        seen = (*rest, hash(body), len(body))
        if workspace not in self._touched and seen not in self._known:
            self._known.add(seen)
            self._answers.append(answer)

    def attend(self, patch: pytest.MonkeyPatch) -> None:
        """Be there at all sandboxes that are started from now on."""
        patch.setattr(pixxel_sandbox.app, "RequestMiddleware", _heard_by(self))
        for name in ("insert", "update"):
            patch.setattr(Workspace, name, self._noticing(getattr(Workspace, name)))

    def _noticing(self, change: Any) -> Any:
        def noticed(workspace: Workspace, *args: Any, **kwargs: Any) -> Any:
            if not sys._getframe(1).f_globals["__name__"].startswith("pixxel_sandbox."):
                self._touched.add(workspace)
            return change(workspace, *args, **kwargs)

        return noticed


def _heard_by(witness: Witness) -> type[RequestMiddleware]:
    class HeardMiddleware(RequestMiddleware):
        """Tells the witness of all that passes."""

        def __init__(self, app: ASGIApp, state: SandboxState) -> None:
            super().__init__(_overheard(witness, app, state), state)

        def _choose_app(self, request: Received, record: Any) -> ASGIApp:
            query, agent = request.url.query, request.headers.get("User-Agent", "")
            witness.hear(Request(record.method, record.path, query, record.raw), agent)
            answer = super()._choose_app(request, record)
            if isinstance(answer, Response) and answer.media_type == "application/json":
                told = (record.method, record.path, answer.status_code, bytes(answer.body))
                witness.hear_answer(self.state.workspace, told)
            return answer

    return HeardMiddleware


def _overheard(witness: Witness, app: ASGIApp, state: SandboxState) -> ASGIApp:
    """Wrap the application, whose answers are whole: what faults do to them comes after it."""

    async def overheard(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def hearing(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))
            await send(message)

        await app(scope, receive, hearing)
        record = scope.get("state", {}).get("record")
        if record and (b"content-type", b"application/json") in start.get("headers", ()):
            told = (record.method, record.path, start["status"], b"".join(parts))
            witness.hear_answer(state.workspace, told)

    return overheard
