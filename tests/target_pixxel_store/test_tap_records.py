"""Catalogs and order items as tap-pixxel emits them, delivered where the settings say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from tests.target_pixxel_store.target_runner import record, request, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Ran, Workplace

ALL = {"deliver_to": "research", "deliver_since": "all"}


def catalogs(place: Workplace, count: int, **fields: Any) -> list[Json]:
    return [
        record("catalogs", id=key, created_at="2025-03-07T10:00:00Z", **fields)
        for key in place.catalogs(count)
    ]


def errors(ran: Ran) -> str:
    assert isinstance(ran.error, ConfigValidationError)
    return "\n".join(ran.error.errors)


def test_catalogs_are_delivered_at_the_template(place: Workplace) -> None:
    messages = catalogs(place, 2, platform="FF01", datetime="2025-02-03 04:05:06+00:00")
    ran = place.run(
        *messages, state(1), path_template="{platform}/{datetime:%Y/%m}/{catalog_id}/", **ALL
    )
    assert ran.kinds == ["created"] * 2
    sent = place.posts()[0]["deliveries"]
    assert [each["cloud_info"]["path"] for each in sent] == [
        f"FF01/2025/02/{message['record']['id']}/" for message in messages
    ]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{platform}/{catalog_id}/", "has no 'platform'"),
        ("{created_at:%Y}/{missing}/", "has no 'missing'"),
        ("{odd:%Y}/{catalog_id}/", "'odd' must be a date"),
        ("{odd}/{catalog_id}/", "must not contain . or .. as a folder"),
        ("{stac_item}/", "must be a string or a number"),
    ],
)
def test_a_path_that_cannot_be_made_is_a_rejected_record(
    place: Workplace, template: str, why: str
) -> None:
    [message] = catalogs(place, 1, odd="a/../b", stac_item={})
    ran = place.run(message, state(1), path_template=template, **ALL)
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert why in ran.reasons[0]


@pytest.mark.parametrize(
    ("template", "why"),
    [("{", "brace"), ("{a.b}", "field names in braces"), ("{a[0]}", "field names in braces"),
     ("{}", "field names in braces"), ("{a!r}", "field names in braces"),
     ("{a:>9}", "must have a date format"),
     ("/{a}", "must be relative"), ("../{a}", ". or .."), ("{a}\x07/", "control character")],
)  # fmt: skip
def test_a_template_that_is_none_is_told_at_once(place: Workplace, template: str, why: str) -> None:
    assert why in errors(place.run(path_template=template))
    assert place.sandbox.requests == []


def test_two_catalogs_at_one_path_by_the_template_collide(place: Workplace) -> None:
    ran = place.run(*catalogs(place, 2), state(1), path_template="all/", on_error="continue", **ALL)
    assert sorted(ran.kinds) == ["created", "failed"]


def test_deliver_since_is_asked_for(place: Workplace) -> None:
    assert "'deliver_since' is missing" in errors(place.run(deliver_to="research"))


def test_only_what_came_since_is_delivered(place: Workplace) -> None:
    old, new = place.catalogs(2)
    ran = place.run(
        record("catalogs", id=old, created_at="2025-03-06T23:59:59Z"),
        record("catalogs", id=new, created_at="2025-03-07 00:00:00+00:00"),
        state(1),
        deliver_to="research", deliver_since="2025-03-07",
    )  # fmt: skip
    assert sorted(ran.kinds) == ["created", "skipped"]
    assert set(ran.reasons) == {"created before 'deliver_since'", ""}
    assert ran.states == [{"upto": 1}]


def test_a_catalog_without_a_date_is_not_passed_over(place: Workplace) -> None:
    ran = place.run(
        record("catalogs", id=place.catalogs(1)[0]), state(1),
        deliver_to="research", deliver_since="2025-03-07",
    )  # fmt: skip
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "has no 'created_at'" in ran.reasons[0]


@pytest.mark.parametrize(
    ("when", "count"),
    [({"platform": "A"}, 1), ({"platform": ["A", "B"]}, 2), ({"platform": "C"}, 0),
     ({"platform": None}, 1), ({"platform": ["A"], "nothing": 1}, 0),
     ({"platform": {"a": 1}}, 0), ({"platform": [["A"]]}, 0)],
)  # fmt: skip
def test_deliver_when_filters(place: Workplace, when: Json, count: int) -> None:
    ids = place.catalogs(3)
    messages = [
        record("catalogs", id=key, platform=platform)
        for key, platform in zip(ids, ["A", "B", None], strict=True)
    ]
    ran = place.run(*messages, state(1), deliver_when=when, **ALL)
    assert Counter(ran.kinds) == +Counter(created=count, skipped=3 - count)


def test_an_order_items_catalogs_are_each_judged_alone(place: Workplace) -> None:
    item, ids = item_with_catalogs(place)
    assert place.run(request(ids[0]), **ALL).kinds == ["created"]
    ran = place.run(record("order_items", id=item), state(1), **ALL)
    assert Counter(ran.kinds) == Counter(exists=1, created=len(ids) - 1)
    assert {line["catalog_id"] for line in ran.outcomes} == set(ids)
    assert ran.states == [{"upto": 1}]


def test_an_order_items_catalogs_are_delivered_by_their_own_age(place: Workplace) -> None:
    item, ids = item_with_catalogs(place)
    old, odd, new = ids
    for key, made in ((old, "2025-03-06T23:59:59Z"), (odd, "soon")):
        place.sandbox.workspace.update("catalogs", key, created_at=made)
    settings = {"deliver_to": "research", "deliver_since": "2025-03-07", "on_error": "continue"}
    ran = place.run(record("order_items", id=item), state(1), **settings)
    assert Counter(ran.kinds) == Counter(created=1, skipped=1, failed=1)
    assert [line["catalog_id"] for line in ran.outcomes if line["outcome"] == "created"] == [new]
    [why] = [line["reason"] for line in ran.outcomes if line["outcome"] == "failed"]
    assert why.startswith("a catalog of an order item ")


def test_an_order_item_can_be_asked_for(place: Workplace) -> None:
    item, ids = item_with_catalogs(place)
    ran = place.run(record("delivery_requests", order_item_id=item, store="research"), state(1))
    assert ran.kinds == ["created"] * len(ids)


def test_an_order_item_without_catalogs_is_not_ready(place: Workplace) -> None:
    item = place.sandbox.workspace.insert("order_items", {"status": "ACTIVE"})
    ran = place.run(record("order_items", id=item), state(1), **ALL)
    assert (ran.kinds, ran.states) == (["skipped"], [{"upto": 1}])
    assert "not ready" in ran.reasons[0]
    ran = place.run(record("delivery_requests", order_item_id=item, store="research"), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "not ready" in ran.reasons[0]


def item_with_catalogs(place: Workplace) -> tuple[str, list[str]]:
    """An order item and its catalogs, more than one of them, none delivered."""
    workspace = place.sandbox.workspace
    item = workspace.insert(
        "order_items", {"status": "FULFILLED", "tasks": [{"id": "t1"}, {"id": "t2"}]}
    )
    ids = [
        workspace.insert("catalogs", {"task_id": task, "created_at": "2025-03-07T10:00:00Z"})
        for task in ("t1", "t1", "t2")
    ]
    return item, ids


@pytest.mark.parametrize("first", ["catalogs", "order_items"])
@pytest.mark.parametrize(
    "template",
    ["{created_at:%Y/%m}/{catalog_id}/", "{id}/", "{org_id}/{datetime:%Y}/{catalog_id}/"],
)
def test_one_catalog_from_both_streams_goes_to_one_path(
    place: Workplace, template: str, first: str
) -> None:
    workspace = place.sandbox.workspace
    item = workspace.insert("order_items", {"status": "FULFILLED", "tasks": [{"id": "t"}]})
    org = workspace.rows("projects")[0]["org_id"]
    key = workspace.insert(
        "catalogs",
        {"task_id": "t", "created_at": "2025-03-07T10:00:00Z", "org_id": org,
         "details": {"properties": {"datetime": "2024-02-03T00:00:00Z"}}},
    )  # fmt: skip
    fields = {"created_at": "2019-12-31T23:59:59Z", "org_id": "another", "datetime": "2018-01-01"}
    by_item = record("order_items", id=item, **fields)
    by_catalog = record(
        "catalogs", id=key, created_at="2025-03-07T10:00:00.000000Z", org_id=org,
        datetime="2024-02-03T00:00:00.000000Z",
    )  # fmt: skip
    messages = [by_catalog, by_item] if first == "catalogs" else [by_item, by_catalog]
    assert place.run(messages[0], state(1), path_template=template, **ALL).kinds == ["created"]
    assert place.run(messages[1], state(2), path_template=template, **ALL).kinds == ["exists"]


def test_what_a_stream_map_filters_out_is_counted_as_ignored(place: Workplace) -> None:
    maps = {"catalogs": {"__filter__": "platform == 'FF01'"}}
    ran = place.run(*catalogs(place, 2, platform="TD1"), state(1), stream_maps=maps, **ALL)
    assert (ran.status, ran.kinds, ran.states) == (0, [], [{"upto": 1}])
    assert ran.summary["ignored"] == {"catalogs": 2}
