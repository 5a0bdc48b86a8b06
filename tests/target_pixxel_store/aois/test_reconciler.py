"""Areas of interest: made where none of that name is in the project, and never twice."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Forbidden
from target_pixxel_store.errors import CircuitOpenError, UnexpectedDeliveryError
from tests.target_pixxel_store.aoi_service import (
    AOIS,
    LATE,
    PROJECT,
    SATELLITE,
    SQUARE,
    Areas,
    ask,
    wish,
)
from tests.target_pixxel_store.intercepting_proxy import (
    CATALOGS,
    DELIVERIES,
    Answer,
    Asked,
    Between,
)
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    lines_of,
    record,
    request,
    text_of,
    with_schemas,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Workplace

SETTLE = 0.7
OTHER = "0e000001-aaaa-4000-8000-000000000002"


def serve(between: Between, *mishaps: str, lag: float = 0) -> Areas:
    areas = Areas(*mishaps, lag=lag)
    between.otherwise = areas
    return areas


def names(areas: Areas) -> list[str]:
    return [row["name"] for row in areas.rows]


def intend(place: Workplace, name: str = "D2") -> None:
    """Leave what a run leaves that was killed while it asked for an area."""
    line = {"is": "area_intent", "at": time.time(), "project": PROJECT, "name": name}
    with place.journal.open("a") as journal:
        journal.write(json.dumps(line) + "\n")


def test_an_area_is_made_once(place: Workplace, between: Between) -> None:
    areas = serve(between)
    ran = ask(place, wish(" D2 ", description="fields\nof rice", item_ids=["TD2_1"]))
    assert (ran.kinds, ran.states) == (["created"], [{"upto": 1}])
    assert ran.outcomes[0]["aoi_id"] == "aoi-0"
    [body] = [each.body for each in between.asked if each.method == "POST"]
    assert body == {
        "name": "D2", "description": "fields\nof rice", "provider": "pixxel",
        "satellite_id": SATELLITE, "project_id": PROJECT, "item_ids": ["TD2_1"],
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
    }  # fmt: skip
    for _ in range(2):
        ran = ask(place, wish())
        assert (ran.kinds, ran.reasons, ran.states) == (["exists"], [""], [{"upto": 1}])
        assert ran.outcomes[0]["aoi_id"] == "aoi-0"
        place.keep_journal()  # so that the list alone says it
    assert names(areas) == ["D2"]


def test_what_is_there_is_left_as_it_is_whoever_made_it(place: Workplace, between: Between) -> None:
    areas = serve(between)
    turned = [[10.5, 50.5], [10.5, 50], [10, 50], [10, 50.5], [10.5, 50.5]]
    corner = [[10, 50], [10.5, 50], [11, 51], [10, 50]]
    areas.add(wish("same", geometry={"type": "Polygon", "coordinates": [turned]})["record"])
    cut = {"type": "Polygon", "coordinates": [corner]}
    areas.add(wish("other", geometry=cut, satellite_id="another")["record"])
    areas.add(wish("bare", geometry=None, satellite_id=None)["record"])
    areas.change = {"aoi_id": None}
    for _ in range(2):  # rows that cannot be read hide none of the others
        areas.add(wish("odd")["record"])
    ran = ask(place, *map(wish, ["same", "other", "bare"]))
    assert ran.kinds == ["exists"] * 3
    assert ran.reasons == ["", "not changed, although it differs in satellite_id, geometry", ""]
    assert between.count("POST", AOIS) == 0


def test_one_that_is_asked_for_twice_in_a_run_is_made_once(
    place: Workplace, between: Between
) -> None:
    areas = serve(between, lag=30)
    ran = ask(place, wish(), wish(), wish(project_id=PROJECT.upper(), satellite_id="another"))
    assert ran.kinds == ["created", "exists", "exists"]
    assert {line["aoi_id"] for line in ran.outcomes} == {"aoi-0"}
    assert ran.reasons == ["", "", "not changed, although it differs in satellite_id"]
    assert names(areas) == ["D2"]
    ran = ask(place, wish())
    assert (ran.kinds, ran.reasons) == (
        ["exists"],
        ["recorded in the journal, not (yet) listed by the API"],
    )
    assert names(areas) == ["D2"]


def test_a_name_of_another_project_is_free(place: Workplace, between: Between) -> None:
    areas = serve(between)
    for number in range(120):  # more than a page, as no filter is heeded
        areas.add(wish(f"area {number}", project_id=OTHER)["record"])
    areas.add(wish(project_id=OTHER)["record"])
    ran = ask(place, wish(), wish("area 0", project_id=OTHER), wish("d2"))
    assert ran.kinds == ["created", "exists", "created"]
    assert [row["project_id"] for row in areas.rows if row["name"] == "D2"] == [OTHER, PROJECT]


@pytest.mark.parametrize(
    ("mishaps", "lag", "attempts"),
    [("drop", 0, 1), ("fail", LATE, 1), ("late", 0, 1), ("nothing drop", LATE, 2)],
)  # fmt: skip
def test_one_area_whatever_the_answer(
    place: Workplace, between: Between, mishaps: str, lag: float, attempts: int
) -> None:
    areas = serve(between, *mishaps.split(), lag=lag)
    ran = ask(place, wish(), settle_seconds=SETTLE)
    assert (ran.error, ran.kinds, ran.states) == (None, ["created"], [{"upto": 1}])
    assert ran.outcomes[0]["aoi_id"] == areas.rows[0]["aoi_id"]
    assert ran.outcomes[0]["attempts"] == attempts
    assert names(areas) == ["D2"]


def test_a_run_that_was_killed_is_run_again(place: Workplace, between: Between) -> None:
    areas = serve(between, "late")
    messages = with_schemas(wish(), wish("later"))
    with subprocess.Popen(
        [TARGET, "--config", str(place.config())],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        text=True, env=environment(),
    ) as killed:  # fmt: skip
        areas.written = killed.kill
        killed.communicate(text_of(*messages), timeout=60)
    areas.written = lambda: None
    assert killed.returncode < 0
    ran = ask(place, wish(), wish("later"), settle_seconds=SETTLE)
    assert ran.kinds == ["exists", "created"]
    assert names(areas) == ["D2", "later"]


def test_an_intent_that_never_happened_is_sent_once_it_is_settled(
    place: Workplace, between: Between
) -> None:
    areas = serve(between)
    intend(place)
    began = time.monotonic()
    assert ask(place, wish("another"), wish(), settle_seconds=0.5).kinds == ["created"] * 2
    assert time.monotonic() - began > 0.4
    assert names(areas) == ["another", "D2"]
    began = time.monotonic()
    assert ask(place, wish(), settle_seconds=9).kinds == ["exists"]
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("state", ["lost", "there"])
def test_an_area_that_is_listed_late_is_waited_for(
    place: Workplace, between: Between, state: str
) -> None:
    areas = serve(between)
    areas.add(wish()["record"], after=LATE)
    if state == "lost":
        place.journal.unlink()
    else:
        intend(place)
    assert ask(place, wish(), settle_seconds=SETTLE).kinds == ["exists"]
    assert names(areas) == ["D2"]
    told = [line["id"] for line in lines_of(place.journal) if line["is"] == "area_made"]
    assert told == ([] if state == "lost" else ["aoi-0"])


def test_without_a_journal_a_first_look_that_was_too_early_does_not_count(
    place: Workplace, between: Between
) -> None:
    item = place.sandbox.workspace.insert("order_items", {"tasks": [{"id": "t"}]})
    areas = Areas()
    areas.add(wish("there")["record"])

    def land(asked: Asked, pass_on: Callable[[], Answer]) -> Answer | None:
        if asked.path == CATALOGS:  # asked for between the look for the first area and the second
            time.sleep(0.4)
            areas.add(wish()["record"])
        return areas(asked, pass_on)

    between.otherwise = land
    place.journal.unlink()
    nothing = record("delivery_requests", order_item_id=item, store="research")
    ran = ask(place, wish("there"), nothing, wish(), on_error="continue", settle_seconds=0.3)
    assert ran.kinds == ["exists", "failed", "exists"]
    assert names(areas) == ["there", "D2"]


def test_a_name_that_is_taken_meanwhile(place: Workplace, between: Between) -> None:
    areas = serve(between, "conflict", "conflict")
    areas.written = lambda: areas.add(wish("taken", satellite_id="another")["record"], LATE)
    ran = ask(place, wish("taken"), wish("hidden"), on_error="continue", settle_seconds=SETTLE)
    assert ran.kinds == ["exists", "failed"]
    assert ran.reasons[0] == "not changed, although it differs in satellite_id"
    assert "the name is taken, but the API lists no area of interest" in ran.reasons[1]
    assert between.count("POST", AOIS) == 2


def test_an_area_that_is_refused_fails_and_leaves_no_doubt(
    place: Workplace, between: Between
) -> None:
    areas = serve(between, "refuse")
    ran = ask(place, wish())
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    refused = (
        "POST /v0/aois returned 400: the API refuses the area of interest; check its 'project_id', "
    )
    assert ran.reasons[0].startswith(refused)
    began = time.monotonic()
    assert ask(place, wish(), settle_seconds=9).kinds == ["created"]
    assert time.monotonic() - began < 8
    assert names(areas) == ["D2"]


def test_a_service_that_fails_is_asked_three_times(place: Workplace, between: Between) -> None:
    areas = serve(between, "nothing", "nothing", "nothing")
    ran = ask(place, wish(), wish("next"), on_error="continue", settle_seconds=0.1)
    assert (ran.status, ran.kinds, ran.states) == (3, ["failed", "created"], [{"upto": 1}])
    assert [line["attempts"] for line in ran.outcomes] == [3, 1]
    assert (names(areas), len(ran.rejected)) == (["next"], 2)


def test_equal_failures_in_a_row_end_the_run(place: Workplace, between: Between) -> None:
    areas = serve(between, *["nothing"] * 9, "", *["nothing"] * 30)
    wishes = [wish(f"area {number}") for number in range(20)]
    ran = ask(place, *wishes, on_error="continue", settle_seconds=0)
    assert isinstance(ran.error, CircuitOpenError)
    assert (ran.kinds, ran.states) == (["failed"] * 3 + ["created"] + ["failed"] * 3, [])
    assert (names(areas), between.count("POST", AOIS)) == (["area 3"], 20)


def test_a_token_that_may_not_ends_the_run(place: Workplace, between: Between) -> None:
    areas = serve(between, "forbid")
    ran = ask(place, wish(), wish("next"), on_error="continue")
    assert isinstance(ran.error, Forbidden)
    assert (ran.kinds, ran.states, areas.rows) == ([], [], [])


def test_an_area_under_another_name_ends_the_run_and_is_not_made_again(
    place: Workplace, between: Between
) -> None:
    areas = serve(between)
    areas.change = {"name": "d2"}
    ran = ask(place, wish())
    assert isinstance(ran.error, UnexpectedDeliveryError)
    assert "aoi-0" in str(ran.error)
    assert ask(place, wish()).kinds == ["exists"]
    assert names(areas) == ["d2"]


def test_an_area_is_settled_behind_what_was_asked_for_before_it(
    place: Workplace, between: Between
) -> None:
    serve(between)
    first, second = place.catalogs(2)
    ran = ask(place, request(first), wish(), request(second))
    assert [line["catalog_id"] for line in ran.outcomes] == [first, None, second]
    posts = [each.path for each in between.asked if each.method == "POST"]
    assert [path for path in posts if path in {AOIS, DELIVERIES}] == [DELIVERIES, AOIS, DELIVERIES]


def test_the_intent_is_on_disk_before_the_request(place: Workplace, between: Between) -> None:
    areas = serve(between)
    seen: list[str] = []
    areas.written = lambda: seen.append(lines_of(place.journal)[-1]["is"])
    ask(place, wish())
    assert seen == ["area_intent"]


def test_a_dry_run_makes_nothing(
    place: Workplace, between: Between, capfd: pytest.CaptureFixture[str]
) -> None:
    areas = serve(between)
    areas.add(wish("there")["record"])
    intend(place)
    before = place.journal.read_bytes()
    ran = ask(place, wish(), wish(), wish("there"), dry_run=True, settle_seconds=60)
    assert (ran.status, ran.kinds, ran.states) == (0, [], [])
    assert (names(areas), place.journal.read_bytes()) == (["there"], before)
    plan = [line for line in capfd.readouterr().err.splitlines() if "aoi_requests" in line]
    assert [line.split("│")[5].strip() for line in plan] == ["created", "exists", "exists"]


def test_areas_do_not_count_as_deliveries(place: Workplace, between: Between) -> None:
    serve(between)
    [key] = place.catalogs(1)
    ran = ask(place, *map(wish, "abc"), request(key), max_deliveries=1)
    assert (ran.status, ran.kinds) == (0, ["created"] * 4)
    assert ran.summary["deliveries"] == 1
    assert [line["aoi_id"] for line in ran.outcomes] == ["aoi-0", "aoi-1", "aoi-2", None]
