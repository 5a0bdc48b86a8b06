"""Planning: requests are priced by dry runs, nothing is placed, and no STATE passes a request."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.purchases.order_harness import (
    ORDERS,
    OrderHarness,
    digest_of,
    make_square,
)
from tests.target_pixxel_store.target_harness import delivery_request, record, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_sandbox import RequestRecord
    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy, ProxiedRequest
    from tests.target_pixxel_store.target_harness import Json


def test_plan_prices_each_request_and_places_nothing(
    orders: OrderHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    requests = [orders.request(number) for number in range(3)]
    result = orders.plan(*requests)
    assert (result.status, result.kinds, result.states) == (0, ["planned"] * 3, [])
    lines = orders.lines
    assert [line["request"] for line in lines] == ["field-0", "field-1", "field-2"]
    for line, request in zip(lines, requests, strict=True):
        item = line["item"]
        assert item["name"].startswith(f"{line['request']} [px:")
        assert item["item_ids"] == request["record"]["item_ids"]
        [feature] = item["geometry"]["features"]
        assert feature["geometry"] == request["record"]["geometry"]
        assert line["final_amount"] == line["base_amount"] > 0
        assert (line["uplifts"], line["decision"]) == ([], "planned")
    amount = sum(line["final_amount"] for line in lines)
    assert orders.total == {
        "plan_digest": digest_of(orders.plan_path),
        "total_amount": amount,
        "requests": 3,
    }
    assert result.summary["plan"] == orders.total
    assert (result.summary["purchases"], result.summary["purchase_amount"]) == (0, 0)
    assert stat.S_IMODE(orders.plan_path.stat().st_mode) == 0o600
    table = capfd.readouterr().err
    assert "plan of the purchases; nothing was placed" in table
    header, *rows = [
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]
        for line in table.splitlines()
        if line[:1] in {"┃", "│"}
    ]
    assert header == ["decision", "request", "what", "km²", "base", "price"]
    assert [row[1] for row in rows] == ["field-2", "field-1", "field-0", ""], "the largest first"
    assert (rows[-1][0], rows[-1][-1]) == ("total", f"{amount:,g}")
    assert orders.total["plan_digest"] in table


def test_plan_prices_smallest_area_first_and_alone(orders: OrderHarness) -> None:
    """What an API that ignores dry_run costs at most is the cheapest request."""
    log: list[str] = []

    def note(request: RequestRecord, _workspace: object) -> None:
        if request.path == ORDERS:
            log.append(
                "list" if request.method == "GET" else request.body["order_items"][0]["name"]
            )

    orders.sandbox.on_request = note
    orders.plan(*(orders.request(number) for number in (2, 0, 1)))
    names = [each.split()[0] for each in log]
    first = names.index("field-0")
    assert [each for each in names if each != "list"] == ["field-0", "field-2", "field-1"]
    assert names[first + 1 : names.index("field-2")].count("list") >= 2  # until settle_seconds end


def test_plan_after_dry_run_not_honoured_sends_nothing_until_acknowledged(
    orders: OrderHarness,
) -> None:
    """A schedule must not place an order each night."""
    requests = [orders.request(0), orders.request(1)]
    orders.behave(dry_run_ignored=True)
    result = orders.plan(*requests)
    assert ([each["outcome"] for each in result.outcomes], result.states) == (["created"], [])
    spent = (result.summary["purchases"], result.summary["purchase_amount"])
    assert spent == (1, orders.sandbox.spent_amount())
    for _ in range(2):
        rerun = orders.plan(*requests)
        assert "does not honour dry_run: pricing the request field-0" in str(rerun.error)
    [order] = orders.sandbox.placed_orders()
    assert f"add '{order['id']}' to 'acknowledge'" in str(rerun.error)
    assert len(orders.dry_runs) == sum(orders.placed.values()) == 1
    orders.behave(dry_run_ignored=False)
    assert orders.plan(*requests, retry_in_doubt=["field-0"], acknowledge=["field-0"]).error
    again = orders.plan(*requests, acknowledge=[order["id"]])
    assert again.kinds == ["exists", "planned"]
    assert orders.plan(*requests).kinds == ["exists", "planned"]


def test_plan_first_request_refused_next_one_alone(orders: OrderHarness) -> None:
    """A refusal does not show that the API honours dry runs."""
    orders.behave(dry_run_ignored=True)
    lon, lat = orders.center(0)
    far = make_square(-lon, -lat, 0.001)
    result = orders.plan(orders.request(0, geometry=far), orders.request(1), orders.request(2))
    assert "THE API DOES NOT HONOUR dry_run" in str(result.error)
    assert (len(orders.dry_runs), sum(orders.placed.values())) == (2, 1)


def test_plan_killed_at_dry_run_not_honoured_stops_the_next_run(orders: OrderHarness) -> None:
    """The journal knows of the first dry run before it is sent."""
    orders.behave(dry_run_ignored=True)
    orders.plan(orders.request(0), orders.request(1))
    [*lines, last] = orders.target.journal_path.read_text().splitlines(keepends=True)
    assert '"purchase_made"' in last
    orders.target.journal_path.write_text("".join(lines))
    orders.target.shorten_wait()
    for _ in range(2):
        rerun = orders.plan(orders.request(0), orders.request(1))
        assert "does not honour dry_run: pricing the request field-0" in str(rerun.error)
    assert len(orders.dry_runs) == 1
    orders.behave(dry_run_ignored=False)
    ids = [each["id"] for each in orders.sandbox.placed_orders()]
    acknowledged = orders.plan(orders.request(0), orders.request(1), acknowledge=ids)
    assert acknowledged.kinds == ["exists", "planned"]


def test_plan_first_dry_run_failed_repeated_after_list(
    orders: OrderHarness, proxy: InterceptingProxy
) -> None:
    def fail_first(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        is_first = request.matches("POST", ORDERS) and proxy.count_requests("POST", ORDERS) == 1
        return ProxiedResponse(503) if is_first else forward()

    proxy.intercept = fail_first
    result = orders.plan(orders.request(0))
    assert result.kinds == ["planned"]
    requests = [each.method for each in proxy.requests if each.path == ORDERS]
    assert requests.count("POST") == 2
    at = requests.index("POST")
    assert "GET" in requests[at : requests.index("POST", at + 1)]


def test_plan_holds_state_of_other_records_after_a_request(orders: OrderHarness) -> None:
    catalog = orders.target.catalog_ids(1)[0]
    result = orders.target.run(
        delivery_request(catalog), state(1), orders.request(0), state(2),
        delivery_request(catalog, path="b"), state(3),
    )  # fmt: skip
    assert result.states == [{"upto": 1}]
    invalid = orders.request(1, geometry=None)
    assert orders.run(invalid).states == []
    exists = orders.target.run(delivery_request(catalog), state(1))
    assert exists.states == [{"upto": 1}]


@pytest.mark.parametrize("on_error", ["fail", "continue"])
@pytest.mark.parametrize("other", [{"usecase": "mining"}, {"geometry": None}])
def test_plan_request_id_twice_with_other_content_orders_neither(
    orders: OrderHarness, other: Json, on_error: str
) -> None:
    """Which of them is meant is unknown, also where one is invalid."""
    pair = [orders.request(0), orders.request(0, **other)]
    for first, second in (pair, pair[::-1]):
        result = orders.plan(first, second, orders.request(1), on_error=on_error)
        if on_error == "continue":
            assert sorted(result.kinds) == ["failed", "failed", "planned"]
            assert [line["request"] for line in orders.lines] == ["field-1"]
        else:
            assert (result.status, set(result.kinds)) == (1, {"failed"})
            assert orders.dry_runs == []
        if "usecase" in other or on_error == "continue":
            assert any("has the 'request_id', and differs; none" in each for each in result.reasons)


@pytest.mark.parametrize("has_other", [False, True])
def test_plan_deleted_record_is_skipped(orders: OrderHarness, *, has_other: bool) -> None:
    """The source no longer wants it; what it had before in the same input neither."""
    deleted = record("order_requests", request_id="field-0", _sdc_deleted_at="2026-01-01")
    others = [orders.request(0)] if has_other else []
    result = orders.plan(*others, deleted, orders.request(1), on_error="fail")
    assert (result.status, result.states) == (0, [])
    assert sorted(result.kinds) == ["planned", *["skipped"] * (1 + has_other)]
    assert [line["request"] for line in orders.lines] == ["field-1"]
    [line] = [each for each in result.log.splitlines() if "_sdc_deleted_at" in each]
    assert line.startswith("order_requests request_id field-0: skipped: the source has deleted it")


def test_plan_of_owned_images(orders: OrderHarness) -> None:
    workspace = orders.sandbox.workspace
    first, second = orders.image_ids[:2]
    workspace.insert("catalogs", {"task_id": None, "details": {"id": first}})
    result = orders.plan(
        orders.request(0),
        orders.request(1, image=0, item_ids=[first, second]),
        orders.request(2, image=0, reorder=True),
    )
    assert result.kinds == ["failed", "skipped", "planned"], "the failure before any price"
    assert result.reasons[0].endswith(f"leave them out: {first}")


@pytest.mark.parametrize(
    ("settings", "behavior", "reason"),
    [
        ({}, {}, "requires 'allow_tasking'"),
        ({"allow_tasking": True}, {"infeasible": 1.0}, "only SUCCESS is placed"),
        ({"allow_tasking": True}, {"order_uplift": 25}, "its uplift is 25 %"),
        ({"allow_tasking": True, "max_purchase_amount": 1}, {}, "see 'max_purchase_amount'"),
    ],
)
def test_plan_limits_tasking(
    orders: OrderHarness, settings: Json, behavior: dict[str, Any], reason: str
) -> None:
    orders.behave(**behavior)
    result = orders.plan(orders.tasking_request(0), **settings)
    assert (result.status, result.kinds) == (3, ["failed"])
    assert reason in result.reasons[0]
    assert orders.total["total_amount"] == 0


INVALID: dict[str, tuple[Json, str]] = {
    "no geometry": ({"geometry": None}, "has no 'geometry'"),
    "three vertices": (
        {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}},
        "a ring of fewer than 4 positions",
    ),
    "unknown project": ({"project_id": "none"}, "names no project that the token can read"),
    "not orderable": ({"item_ids": ["none"]}, "names images that the archive lacks: none"),
    "unknown store": ({"store": "none"}, "no store has the name or id 'none'"),
}


@pytest.mark.parametrize("name", INVALID)
@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_plan_invalid_request_fails_before_any_order(
    orders: OrderHarness, name: str, on_error: str
) -> None:
    fields, reason = INVALID[name]
    bad = orders.request(0, **fields)
    result = orders.plan(bad, on_error=on_error)
    assert result.status == (1 if on_error == "fail" else 3)
    assert result.kinds == ["failed"]
    lines = [line for line in result.log.splitlines() if reason in line]
    assert len(lines) == 1
    assert lines[0].startswith("order_requests request_id field-0: ")
    assert orders.dry_runs == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"start_date": "2127-03-01"}, "'end_date' must be after 'start_date'"),
        ({"cloud_cover": -5}, "'cloud_cover' must be a whole number from 0 to 100"),
        ({"bandset_id": "none"}, "names no bandset"),
        ({"start_date": "2020-01-01"}, "'start_date' is in the past"),
        (
            {"recurrence": "MONTHLY", "start_date": "2020-01-01", "end_date": "2020-03-01"},
            "'end_date' is in the past",
        ),
    ],
)
def test_plan_invalid_tasking_request_fails_before_any_order(
    orders: OrderHarness, fields: Json, reason: str
) -> None:
    good = orders.request(1)
    result = orders.plan(orders.tasking_request(0, **fields), good, allow_tasking=True)
    assert sorted(result.kinds) == ["failed", "planned"]
    assert any(reason in each for each in result.reasons)
    assert len(orders.dry_runs) == 1


def test_plan_refused_by_api_names_field(orders: OrderHarness) -> None:
    far = make_square(*(-each for each in orders.center(0)))
    result = orders.plan(orders.request(0, geometry=far), orders.request(1))
    assert sorted(result.kinds) == ["failed", "planned"]
    assert any("the API refuses the order; check its 'item_ids'" in why for why in result.reasons)


def test_plan_without_an_order_has_nothing_to_approve(
    orders: OrderHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    result = orders.plan(orders.request(0), max_purchase_amount=0)
    assert result.kinds == ["failed"]
    assert "above the limit of 0; see 'max_purchase_amount'" in result.reasons[0]
    for text in (capfd.readouterr().err, result.log):
        assert f"nothing to approve: the plan in {orders.plan_path} has nothing to place" in text
        assert "approve_plan" not in text


@pytest.mark.parametrize("is_late", [False, True])
def test_plan_ended_early_says_that_file_was_not_replaced(
    orders: OrderHarness,
    is_late: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert "no plan was made" not in orders.plan(orders.request(1)).log
    before = orders.plan_path.read_bytes()
    orders.behave(rename_orders=is_late)
    bad = {} if is_late else {"geometry": None}
    result = orders.plan(orders.request(1), orders.request(0, **bad), on_error="fail")
    assert result.status != 0
    assert result.log.count(f"no plan was made; {orders.plan_path} was not replaced") == 1
    assert orders.plan_path.read_bytes() == before


def test_plan_records_of_table_by_stream_map(orders: OrderHarness) -> None:
    """As a warehouse has them: a whole number as the key, and lists and shapes as JSON text."""
    first, second = (orders.request(number)["record"] for number in range(2))
    columns = {name: {"type": "string"} for name in ("scenes", "shape")}
    maps = {"public-fields": {
        "__alias__": "order_requests", "__key_properties__": ["request_id"],
        "request_id": "str(id)", "project_id": f"'{orders.project_id}'",
        "usecase": "'agriculture'", "geometry": "shape", "item_ids": "scenes", "__else__": None,
    }}  # fmt: skip
    messages = [
        {"type": "SCHEMA", "stream": "public-fields", "key_properties": ["id"],
         "schema": {"properties": {"id": {"type": "integer"}, **columns}}},
        *(record("public-fields", id=number, scenes=scenes, shape=json.dumps(each["geometry"]))
          for number, each, scenes in ((7, first, json.dumps(first["item_ids"])),
                                       (8, second, second["item_ids"][0]))),
    ]  # fmt: skip
    result = orders.target.run(*messages, stream_maps=maps)
    assert (result.status, result.kinds) == (0, ["planned", "planned"])
    assert [line["request"] for line in orders.lines] == ["7", "8"]
    assert orders.lines[0]["item"]["item_ids"] == first["item_ids"]
    assert orders.lines[1]["item"]["item_ids"] == second["item_ids"]
    maps["public-fields"]["request_id"] = "id"
    maps["public-fields"]["item_ids"] = "json.dumps([scenes])"
    messages[1]["record"]["scenes"] = first["item_ids"][0]
    again = orders.target.run(*messages, stream_maps=maps)
    assert again.kinds == ["planned", "planned"]
    assert orders.lines[0]["request"] == "7"
    assert orders.lines[0]["item"]["item_ids"] == first["item_ids"]


def test_plan_replaces_only_a_plan(orders: OrderHarness) -> None:
    orders.plan_path.write_text("my requests\n")
    result = orders.plan(orders.request(0))
    assert isinstance(result.error, InputError)
    assert "is not a plan" in str(result.error)
    assert (orders.plan_path.read_text(), orders.sandbox.requests) == ("my requests\n", [])


def test_dry_run_of_target_prices_nothing(
    orders: OrderHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    result = orders.plan(orders.request(0), dry_run=True)
    assert (result.status, orders.dry_runs, orders.plan_path.exists()) == (0, [], False)
    lines = capfd.readouterr().err.splitlines()
    header, row = (
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]
        for line in lines
        if line[:1] in {"┃", "│"}
    )
    cells = dict(zip(header, row, strict=True))
    assert "image" not in cells
    assert (cells["record"], cells["why"]) == ("request_id field-0", "no price: dry_run is set")


def test_plan_request_twice_planned_once(orders: OrderHarness) -> None:
    again = orders.request(0)
    same_images = orders.request(0, request_id="field-9", name="same")
    result = orders.plan(orders.request(0), again, same_images)
    assert sorted(result.kinds) == ["exists", "exists", "planned"]
    assert "the request field-0 has the same project, images and area" in result.reasons
    assert [line["decision"] for line in orders.lines] == ["planned", "exists"]


def test_plan_allowed_tasking_and_uplift_planned(orders: OrderHarness) -> None:
    orders.behave(order_uplift=25)
    result = orders.plan(orders.tasking_request(0), allow_tasking=True, max_uplift_percent=25)
    assert result.kinds == ["planned"]
    [line] = orders.lines
    assert (line["feasibility"], line["uplifts"][0]["percentage"]) == ("SUCCESS", 25)
    assert line["item"]["start_date"] == "2127-01-01T00:00:00Z"
