"""What arrived, where it lies, and when it changed."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac.assets.delivered import find_delivered_objects, last_updated
from tests.stac.test_deliveries import CATALOG, S3, assets, delivery

STATUSES: list[tuple[Any, bool]] = [
    *((status, True) for status in ("SUCCESS", "SUCCESSFUL", "COMPLETED", " success ")),
    *((status, False) for status in ("FAILED", "PENDING", "", None, 5)),
]


@pytest.mark.parametrize(("status", "arrived"), STATUSES)
def test_only_what_arrived_makes_an_asset(status: Any, arrived: bool) -> None:  # noqa: FBT001 - a table
    made = find_delivered_objects([delivery(status=status)], [S3], {})
    assert list(made.by_catalog) == ([CATALOG] if arrived else [])
    assert made.skipped == {}


PLACES: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    # what a store says, the URLs of stores, the key and the link of what is delivered there
    ({"type": "GCS"}, {}, "delivery-lake", "gs://b/p/a.zip"),
    ({"name": " "}, {}, "delivery-s", "s3://b/p/a.zip"),
    ({"type": "AZBLOB"}, {"lake": "https://a.invalid/c/"}, "delivery-lake", "https://a.invalid/c/p/a.zip"),
    ({}, {"lake": "https://a.invalid/c"}, "delivery-lake", "https://a.invalid/c/p/a.zip"),
    ({}, {"sea": "https://a.invalid/c"}, "delivery-lake", "s3://b/p/a.zip"),
    ({"configs": {"bucket": "b"}}, {}, "delivery-lake", "s3://b/a.zip"),
]  # fmt: skip


@pytest.mark.parametrize(("says", "urls", "key", "href"), PLACES)
def test_a_store_says_where_its_objects_are(
    says: dict[str, Any], urls: dict[str, str], key: str, href: str
) -> None:
    made = assets(delivery(), stores=({"name": "nowhere"}, S3 | says), urls=urls)
    assert {name: asset["href"] for name, asset in made.items()} == {key: href}


@pytest.mark.parametrize("stamp", [None, "soon", 5])
def test_an_asset_says_when_it_was_updated_only_where_that_is_known(stamp: Any) -> None:
    assert "updated" not in assets(delivery(updated_at=stamp))["delivery-lake"]


def test_what_is_undated_comes_behind_what_is_dated_and_by_its_id() -> None:
    rows = [
        delivery("2", path="b", updated_at=None),
        delivery("1", path="a", updated_at=None),
        delivery("3", path="c"),
    ]
    first, *others = assets(*rows).items()
    assert (first[0], first[1]["pixxel:delivery_id"]) == ("delivery-lake", "3")
    assert [asset["pixxel:delivery_id"] for _, asset in others] == ["1", "2"]
    assert {len(key) for key, _ in others} == {len("delivery-lake-") + 12}


OLD, NEW = "2025-01-01T00:00:00.000000Z", "2025-02-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("own", "delivered", "expected"),
    [
        ("2025-01-01", [], OLD),
        (OLD, [OLD, NEW, OLD], NEW),
        (NEW, [OLD], NEW),
        (None, [NEW], None),
        ("soon", [], None),
        (OLD, [NEW, None], None),
        (OLD, [None, NEW], None),
    ],
)
def test_an_item_changes_with_its_deliveries_where_all_times_are_known(
    own: Any, delivered: list[str | None], expected: str | None
) -> None:
    rows = [delivery(str(at), path=str(at), updated_at=each) for at, each in enumerate(delivered)]
    found = find_delivered_objects(rows, [S3], {}).by_catalog.get(CATALOG, ())
    assert last_updated(own, found) == expected
