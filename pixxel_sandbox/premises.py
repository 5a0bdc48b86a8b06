"""Premises: what a workspace has besides imagery and orders: projects, stores, bandsets."""

from dataclasses import dataclass
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.bookings import Places
from pixxel_sandbox.chance import identifier, stream
from pixxel_sandbox.footprints import Json

STORES: Final = (
    ("analysis", "S3", {"bucket": "analysis", "region": "eu-central-1", "path_prefix": "pixxel/"}),
    ("research", "GCS", {"bucket": "research", "region": "europe-west1"}),
    ("archive", "AZBLOB", {"bucket": "images", "region": "westeurope", "path_prefix": "raw"}),
)
BANDSETS: Final = ("Agriculture", "Water quality", "Minerals", "Vegetation stress", "All bands")
PROJECTS: Final = ("Rice fields", "Harbour watch", "Copper belt", "Forest health")
USERS: Final = 3


@dataclass
class Premises:
    """The rows of the small resources, and the ids that other rows refer to."""

    places: Places
    projects: list[Json]
    stores: list[Json]
    bandsets: list[Json]


def premises(seed: int) -> Premises:
    """Makes the workspace's projects, stores and bandsets."""
    rng = stream(seed, "premises")
    org_id = identifier(rng)
    users = [identifier(rng) for _ in range(USERS)]
    stamps = {"created_at": times.with_z(times.since(2022, rng.uniform(0, 9e6)))}
    stamps["updated_at"] = times.with_z(times.since(2024, rng.uniform(0, 9e6)))
    projects: list[Json] = [
        {
            "id": identifier(rng),
            "name": title.lower().replace(" ", "-"),
            "title": title,
            "org_id": org_id,
            "members_count": rng.randint(1, 9),
            "metadata": {"team": title.split(maxsplit=1)[0].lower()} if number else {},
            **stamps,
        }
        for number, title in enumerate(PROJECTS)
    ]
    stores: list[Json] = [
        {
            "id": identifier(rng),
            "name": name,
            "type": kind,
            "configs": configs,
            "labels": {"env": "sandbox"},
            "created_by": users[0],
            **stamps,
        }
        for name, kind, configs in STORES
    ]
    bandsets: list[Json] = [
        {
            "id": identifier(rng),
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
    places = Places(org_id, users, _ids(projects), _ids(stores), _ids(bandsets))
    return Premises(places, projects, stores, bandsets)


def _ids(rows: list[Json]) -> list[str]:
    return [row["id"] for row in rows]
