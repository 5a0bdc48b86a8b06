"""The resources of a workspace, as a table."""

from __future__ import annotations

from typing import NamedTuple


class Resource(NamedTuple):
    """The id, the update time and the order of a resource's rows.

    Attributes:
        key: The field with the row's id.
        updated_field: The field with the row's update time; None if rows do not have one.
        newest_first: Whether a list without a sort parameter starts with the newest row.
        detail_fields: The fields that a single row has and lists omit.
    """

    key: str = "id"
    updated_field: str | None = "updated_at"
    newest_first: bool = False
    detail_fields: frozenset[str] = frozenset()


RESOURCES = {
    "collections": Resource(),
    "archive_items": Resource(updated_field="updated"),
    "orders": Resource(newest_first=True),
    "order_items": Resource(newest_first=True),
    "catalogs": Resource(newest_first=True),
    "deliveries": Resource(key="delivery_id"),
    "stores": Resource(),
    "bandsets": Resource(updated_field=None),
    "projects": Resource(),
    "satellites": Resource(updated_field=None),
    "indices": Resource(),
    "aois": Resource(key="aoi_id", newest_first=True),
    "aoi_assets": Resource(),
    "visualizations": Resource(newest_first=True),
    "insights": Resource(updated_field=None),
    "workflows": Resource(
        newest_first=True, detail_fields=frozenset({"estimated_cost", "spec", "val_errors"})
    ),
    "jobs": Resource(
        detail_fields=frozenset(
            {"tasks", "spec", "val_errors", "exec_created_at", "exec_updated_at"}
        )
    ),
    "blocks": Resource(updated_field=None),
    "block_versions": Resource(updated_field=None),
    "satellite_images": Resource(updated_field=None),
    "order_report": Resource(updated_field=None),
}
INCREMENTAL = (
    "archive_items",
    "orders",
    "order_items",
    "catalogs",
    "deliveries",
    "aois",
    "aoi_assets",
    "workflows",
)
"""The resources whose rows change and have an update time."""
