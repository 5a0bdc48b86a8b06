"""Resources: the kinds of rows a workspace has, as a table."""

from typing import Final, NamedTuple


class Resource(NamedTuple):
    """How the rows of a resource are named, dated and listed.

    Attributes:
        key: the field that identifies a row.
        updated: the field that says when a row changed; None where rows carry no such time.
        newest_first: whether a list without a sort parameter starts with the newest row.
        alone: the fields that a row has only where it is asked for alone, and not in lists.
    """

    key: str = "id"
    updated: str | None = "updated_at"
    newest_first: bool = False
    alone: frozenset[str] = frozenset()


RESOURCES: Final = {
    "collections": Resource(),
    "archive_items": Resource(updated="updated"),
    "orders": Resource(newest_first=True),
    "order_items": Resource(newest_first=True),
    "catalogs": Resource(newest_first=True),
    "deliveries": Resource(key="delivery_id"),
    "stores": Resource(),
    "bandsets": Resource(updated=None),
    "projects": Resource(),
    "satellites": Resource(updated=None),
    "indices": Resource(),
    "aois": Resource(key="aoi_id", newest_first=True),
    "aoi_assets": Resource(),
    "visualizations": Resource(newest_first=True),
    "insights": Resource(updated=None),
    "workflows": Resource(
        newest_first=True, alone=frozenset({"estimated_cost", "spec", "val_errors"})
    ),
    "jobs": Resource(
        alone=frozenset({"tasks", "spec", "val_errors", "exec_created_at", "exec_updated_at"})
    ),
    "blocks": Resource(updated=None),
    "block_versions": Resource(updated=None),
    "satellite_images": Resource(updated=None),
    "order_report": Resource(updated=None),
}
INCREMENTAL: Final = (
    "archive_items",
    "orders",
    "order_items",
    "catalogs",
    "deliveries",
    "aois",
    "aoi_assets",
    "workflows",
)
"""The resources whose rows change on their own, and say when."""
