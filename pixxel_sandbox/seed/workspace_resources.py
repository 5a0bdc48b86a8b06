"""Generate projects, stores and bandsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.rng import draw_uuid, rng_for

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json

SEEDED_STORES = (
    ("analysis", "S3", {"bucket": "analysis", "region": "eu-central-1", "path_prefix": "pixxel/"}),
    ("research", "GCS", {"bucket": "research", "region": "europe-west1"}),
    ("archive", "AZBLOB", {"bucket": "images", "region": "westeurope", "path_prefix": "raw"}),
)
BANDSETS = ("Agriculture", "Water quality", "Minerals", "Vegetation stress", "All bands")
PROJECTS = ("Rice fields", "Harbour watch", "Copper belt", "Forest health")
USER_COUNT = 3


@dataclass(frozen=True)
class WorkspaceIds:
    """The ids that rows refer to: of the organization, its users, and the small resources."""

    org_id: str
    users: list[str]
    projects: list[str]
    stores: list[str]
    bandsets: list[str]


@dataclass
class WorkspaceResources:
    """The rows of the small resources, and the ids that other rows refer to."""

    ids: WorkspaceIds
    projects: list[Json]
    stores: list[Json]
    bandsets: list[Json]


def generate_resources(seed: int) -> WorkspaceResources:
    """Generate projects, stores and bandsets."""
    rng = rng_for(seed, "premises")
    org_id = draw_uuid(rng)
    users = [draw_uuid(rng) for _ in range(USER_COUNT)]
    timestamps = {
        "created_at": timestamp_formats.format_with_z(
            timestamp_formats.time_in_year(2022, rng.uniform(0, 9e6))
        )
    }
    timestamps["updated_at"] = timestamp_formats.format_with_z(
        timestamp_formats.time_in_year(2024, rng.uniform(0, 9e6))
    )
    projects: list[Json] = [
        {
            "id": draw_uuid(rng),
            "name": title.lower().replace(" ", "-"),
            "title": title,
            "org_id": org_id,
            "members_count": rng.randint(1, 9),
            "metadata": {"team": title.split(maxsplit=1)[0].lower()} if number else {},
            **timestamps,
        }
        for number, title in enumerate(PROJECTS)
    ]
    stores: list[Json] = [
        {
            "id": draw_uuid(rng),
            "name": name,
            "type": kind,
            "configs": configs,
            "labels": {"env": "sandbox"},
            "created_by": users[0],
            **timestamps,
        }
        for name, kind, configs in SEEDED_STORES
    ]
    bandsets: list[Json] = [
        {
            "id": draw_uuid(rng),
            "name": name,
            "description": f"{name}, ready to order",
            "captures": rng.randint(1, 3),
            "bands": [
                {"name": f"B{band:03d}", "wavelength": 470 + 5 * band}
                for band in sorted(rng.sample(range(1, 60), 8))
            ],
        }
        for name in BANDSETS
    ]
    ids = WorkspaceIds(org_id, users, _ids_of(projects), _ids_of(stores), _ids_of(bandsets))
    return WorkspaceResources(ids, projects, stores, bandsets)


def _ids_of(rows: list[Json]) -> list[str]:
    return [row["id"] for row in rows]
