"""Areas: the endpoints of areas of interest, and of what belongs to one of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request

from pixxel_sandbox.criteria import words
from pixxel_sandbox.front import Desk
from pixxel_sandbox.rowfilters import (
    AOI_FILTERS,
    INDEX_FILTERS,
    RUN_FILTERS,
    VISUALIZATION_FILTERS,
    MakeTest,
    Test,
)
from pixxel_sandbox.showing import Listing, entire, known, paged
from pixxel_sandbox.workspace import Workspace

INDICES: Final = Listing("indices", INDEX_FILTERS)
AOIS: Final = Listing("aois", AOI_FILTERS)
ASSETS: Final = Listing("aoi_assets", name="assets")
VISUALIZATIONS: Final = Listing("visualizations", VISUALIZATION_FILTERS, name="visualization")
INSIGHTS: Final = Listing("insights", RUN_FILTERS)
OF_AN_INDEX: Final = ("type", "expression_type")
"""What a visualization does not say itself; the index that it shows does."""


def aoi(desk: Desk, request: Request) -> object:
    """Shows one area."""
    return known(desk, "aois", request.path_params["aoi_id"])


def assets(desk: Desk, request: Request) -> object:
    """Lists the assets of an area."""
    return _of_an_area(paged, ASSETS, desk, request)


def visualizations(desk: Desk, request: Request) -> object:
    """Lists the visualizations of an area, under a key in the singular."""
    own = {name: _index_among(desk.workspace, name) for name in OF_AN_INDEX}
    listing = replace(VISUALIZATIONS, filters={**VISUALIZATIONS.filters, **own})
    return _of_an_area(paged, listing, desk, request)


def insights(desk: Desk, request: Request) -> object:
    """Lists the insights of an area in one answer."""
    return _of_an_area(entire, INSIGHTS, desk, request)


def _of_an_area(
    show: Callable[..., object], listing: Listing, desk: Desk, request: Request
) -> object:
    key = request.path_params["aoi_id"]
    known(desk, "aois", key)
    return show(listing, desk, request, aoi_id=key)


def _index_among(workspace: Workspace, field: str) -> MakeTest:
    """The row's index has one of the words given in a field."""

    def make(params: QueryParams, name: str) -> Test:
        wanted = words(params, name) or frozenset()
        keys = {row["id"] for row in workspace.rows("indices") if row.get(field) in wanted}
        return lambda row: row.get("index_id") in keys

    return make
