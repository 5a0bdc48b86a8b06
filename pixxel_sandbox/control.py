"""Control: paths of the sandbox itself, outside the API's contract and without a token."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pixxel_sandbox.complaints import answer
from pixxel_sandbox.courier import automatic
from pixxel_sandbox.drift import advance
from pixxel_sandbox.front import OUTSIDE, Desk
from pixxel_sandbox.objects import PATH, fetching


def routes(desk: Desk) -> list[Route]:
    """Returns the routes that look at the workspace, move it on, and hand out what it holds."""

    async def show_counts(_request: Request) -> Response:
        return answer(desk.workspace.counts())

    async def move_on(_request: Request) -> Response:
        return answer(advance(desk.workspace, partial(automatic, desk), desk.moving))

    return [
        Route(f"{OUTSIDE}/counts", show_counts, methods=["GET"]),
        Route(f"{OUTSIDE}/advance", move_on, methods=["POST"]),
        Route(PATH, fetching(desk), methods=["GET"]),
    ]
