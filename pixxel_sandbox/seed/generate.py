"""Generate all rows of a workspace from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pixxel_sandbox.json_types import Json
from pixxel_sandbox.seed.aois import generate_aois
from pixxel_sandbox.seed.archive_collections import COLLECTIONS, render_collection
from pixxel_sandbox.seed.archive_items import ItemRow, generate_items
from pixxel_sandbox.seed.external_items import generate_external_items
from pixxel_sandbox.seed.order_report import generate_report_rows
from pixxel_sandbox.seed.orders import ImageRow, generate_orders
from pixxel_sandbox.seed.rng import rng_for
from pixxel_sandbox.seed.satellites import generate_indices, generate_satellites
from pixxel_sandbox.seed.workflows import generate_workflows
from pixxel_sandbox.seed.workspace_resources import WorkspaceIds, generate_resources

if TYPE_CHECKING:
    from collections.abc import Sequence

ResourceRow: TypeAlias = ImageRow | Json


@dataclass(frozen=True)
class SeedData:
    """The rows of a new workspace.

    Attributes:
        rows: The rows of every resource, by the resource's name.
        analytics_resources: The names of the resources that `generate_analytics` makes.
        user_id: The id of the user whom the token belongs to.
    """

    rows: dict[str, Sequence[ResourceRow]]
    analytics_resources: frozenset[str]
    user_id: str


def generate_rows(seed: int, items: int) -> SeedData:
    """Generate a workspace with a number of archive items; the rest is sized from it."""
    archive, resources = generate_items(seed, items), generate_resources(seed)
    orders = generate_orders(seed, archive, resources.ids)
    analytics = generate_analytics(seed, archive, resources.ids, orders.order_items)
    rows: dict[str, Sequence[ResourceRow]] = {
        "collections": [render_collection(spec) for spec in COLLECTIONS],
        "archive_items": archive,
        **vars(orders),
        "stores": resources.stores,
        "bandsets": resources.bandsets,
        "projects": resources.projects,
        **analytics,
    }
    return SeedData(rows, frozenset(analytics), resources.ids.users[0])


def generate_analytics(
    seed: int, archive: Sequence[ItemRow], ids: WorkspaceIds, order_items: Sequence[Json]
) -> dict[str, list[Json]]:
    """Generate satellites, indices, AOIs, workflows, external items and the order report.

    Their number depends on the archive and on the order items.
    """
    rng = rng_for(seed, "sensors")
    satellites = generate_satellites(rng)
    indices = generate_indices(rng, satellites)
    aois = generate_aois(rng_for(seed, "findings"), archive, ids, satellites, indices)
    workflows = generate_workflows(rng_for(seed, "pipelines"), len(archive), ids)
    return {
        "satellites": satellites,
        "indices": indices,
        **vars(aois),
        **vars(workflows),
        "satellite_images": generate_external_items(rng_for(seed, "externals"), len(archive)),
        "order_report": generate_report_rows(rng_for(seed, "remarks"), order_items),
    }
