"""Check all requests to the sandboxes of this process, and their responses, by the contract.

Every request of a plugin must obey the contract, whatever the test is about. A sandbox's responses
must obey it while all rows of its workspace are the sandbox's own; once a test has inserted or
changed a row, the sandbox's responses are no longer checked. Faults that cut off or drop a response
on its way are not covered by the contract. Sandboxes in other processes are not checked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from starlette.responses import Response

import pixxel_sandbox.app
from pixxel_sandbox import Workspace
from pixxel_sandbox.web.middleware import RequestMiddleware

from .requests import PLUGIN_USER_AGENTS, Request, find_request_violations
from .responses import find_response_violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from starlette.requests import Request as ServerRequest
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixxel_sandbox.runtime_state import SandboxState

JsonResponse = tuple[str, str, int, bytes]
"""Method and path of the request, status and body of its response."""


class ContractChecker:
    """Recorder of distinct requests and responses, which checks them on demand."""

    def __init__(self) -> None:
        self._seen: set[object] = set()
        self._requests: list[Request] = []
        self._responses: list[JsonResponse] = []
        self._modified_workspaces: WeakSet[Workspace] = WeakSet()

    def take_violations(self) -> list[str]:
        """Return the violations in what was recorded since the last call."""
        checks = (*self._check_requests(), *self._check_responses())
        return [violation for violations in checks for violation in violations]

    def _check_requests(self) -> Iterator[Iterator[str]]:
        while self._requests:
            yield find_request_violations(self._requests.pop())

    def _check_responses(self) -> Iterator[Iterator[str]]:
        while self._responses:
            yield find_response_violations(*self._responses.pop())

    def record_request(self, request: Request, user_agent: str) -> None:
        """Record a request of a plugin."""
        if user_agent.startswith(PLUGIN_USER_AGENTS) and request not in self._seen:
            self._seen.add(request)
            self._requests.append(request)

    def record_response(self, workspace: Workspace, response: JsonResponse) -> None:
        """Record a JSON response, unless a test has modified the workspace."""
        *rest, body = response
        key = (*rest, hash(body), len(body))
        if workspace not in self._modified_workspaces and key not in self._seen:
            self._seen.add(key)
            self._responses.append(response)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Record all traffic of the sandboxes that this process starts from now on."""
        patch.setattr(pixxel_sandbox.app, "RequestMiddleware", _make_recording_middleware(self))
        for name in ("insert", "update"):
            patch.setattr(Workspace, name, self._marking_modified(getattr(Workspace, name)))

    def _marking_modified(self, method: Any) -> Any:
        def modify(workspace: Workspace, *args: Any, **kwargs: Any) -> Any:
            if not sys._getframe(1).f_globals["__name__"].startswith("pixxel_sandbox."):
                self._modified_workspaces.add(workspace)
            return method(workspace, *args, **kwargs)

        return modify


def _make_recording_middleware(checker: ContractChecker) -> type[RequestMiddleware]:
    class RecordingMiddleware(RequestMiddleware):
        """The sandbox's middleware, which also records requests and responses."""

        def __init__(self, app: ASGIApp, state: SandboxState) -> None:
            super().__init__(_record_responses(checker, app, state), state)

        def _choose_app(self, request: ServerRequest, record: Any) -> ASGIApp:
            query, user_agent = request.url.query, request.headers.get("User-Agent", "")
            received = Request(record.method, record.path, query, record.raw)
            checker.record_request(received, user_agent)
            response = super()._choose_app(request, record)
            if isinstance(response, Response) and response.media_type == "application/json":
                sent = (record.method, record.path, response.status_code, bytes(response.body))
                checker.record_response(self.state.workspace, sent)
            return response

    return RecordingMiddleware


def _record_responses(checker: ContractChecker, app: ASGIApp, state: SandboxState) -> ASGIApp:
    """Wrap the application, whose responses are complete: faults are applied outside of it."""

    async def record_app(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def record_message(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    record_response()
            await send(message)

        def record_response() -> None:
            """Record the response before its end is sent, since its client may check it then."""
            record = scope.get("state", {}).get("record")
            if record and (b"content-type", b"application/json") in start.get("headers", ()):
                sent = (record.method, record.path, start["status"], b"".join(parts))
                checker.record_response(state.workspace, sent)

        await app(scope, receive, record_message)

    return record_app
