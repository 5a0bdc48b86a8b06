"""Downloads: each catalog that is asked for is one file, fetched once and told where."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from pixxel_sandbox import Behavior
from pixxel_singer.errors import InputError
from tests.target_pixxel_store.download_checks import files, polled, posted, whole
from tests.target_pixxel_store.target_runner import record, request, state, wanted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Json, Ran, Workplace


def item_of(place: Workplace, catalogs: int) -> tuple[str, list[str]]:
    """Make an order item with so many catalogs."""
    workspace = place.sandbox.workspace
    item = workspace.insert("order_items", {"tasks": [{"id": "task"}] if catalogs else []})
    return item, [workspace.insert("catalogs", {"task_id": "task"}) for _ in range(catalogs)]


def errors(ran: Ran) -> str:
    assert isinstance(ran.error, ConfigValidationError)
    return "\n".join(ran.error.errors)


def test_a_catalog_becomes_a_file_and_the_outcome_says_where(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    ran = place.run(wanted(key), state(1))
    [line] = ran.outcomes
    assert (ran.status, ran.states, line["outcome"]) == (0, [{"upto": 1}], "created")
    assert whole(place, line)
    assert line["object"].startswith(f"{images}/{key}/")
    assert line["object"].endswith(".zip")
    [download] = set(polled(place))
    assert (line["download_id"], line["attempts"]) == (download, 2)
    assert place.posts("/v0/catalogs/download") == [{"catalog_ids": [key], "order_item_ids": []}]
    assert ran.summary["downloads"] == 1


def test_a_file_has_the_mode_of_any_other(place: Workplace, images: Path) -> None:
    place.run(wanted(place.catalogs(1)[0]))
    [name] = files(images)
    plain = images / "plain"
    plain.touch()
    assert stat.S_IMODE((images / name).stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_what_is_there_by_the_journal_is_not_asked_for(place: Workplace, images: Path) -> None:
    ids = place.catalogs(2)
    first = place.run(*map(wanted, ids))
    again = place.run(*map(wanted, ids), state(1))
    assert again.kinds == ["exists", "exists"]
    assert posted(place) == len(place.sandbox.fetches) == 2
    objects = {line["object"] for line in first.outcomes}
    assert {line["object"] for line in again.outcomes} == objects
    assert len(files(images)) == 2


def test_without_the_journal_a_file_of_the_size_is_not_fetched(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    place.run(wanted(key))
    place.keep_journal()
    [name] = files(images)
    before = (images / name).stat().st_mtime_ns
    again = place.run(wanted(key))
    assert again.kinds == ["exists"]
    assert again.summary["downloads"] == 0
    assert (images / name).stat().st_mtime_ns == before
    assert files(images) == [name]
    assert place.run(wanted(key)).outcomes[0]["attempts"] == 0, "the journal knows it again"


def test_a_file_that_was_cut_or_removed_is_fetched_again(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    [line] = place.run(wanted(key)).outcomes
    [name] = files(images)
    (images / name).write_bytes(b"PK")
    assert place.run(wanted(key)).kinds == ["created"]
    assert whole(place, line)
    (images / name).unlink()
    assert place.run(wanted(key)).kinds == ["created"]
    assert whole(place, line)


def test_a_file_of_somebody_else_is_left_alone(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    place.run(wanted(key))
    [name] = files(images)
    (images / name).write_text("mine")
    place.keep_journal()
    ran = place.run(wanted(key))
    assert (ran.status, ran.kinds) == (1, ["failed"])
    assert "a different file with this name exists in the folder" in ran.reasons[0]
    assert (images / name).read_text() == "mine"
    assert files(images) == [name]


def test_two_records_of_one_catalog_are_one_fetch(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    ran = place.run(wanted(key), wanted(key), wanted(key, path="elsewhere"), state(1))
    assert sorted(ran.kinds) == ["created", "created", "exists"]
    assert ran.reasons[ran.kinds.index("exists")] == "requested twice"
    assert len(place.sandbox.fetches) == 2
    assert {name.partition("/")[0] for name in files(images)} == {key, "elsewhere"}


def test_two_catalogs_of_one_name_in_one_folder_collide(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    place.run(wanted(key, path="all"))
    [name] = files(images)
    # By the journal, the file is another catalog's.
    place.journal.write_text(place.journal.read_text().replace(key, "another"))
    ran = place.run(wanted(key, path="all"), state(1))
    assert (ran.kinds, ran.states) == (["failed"], [])
    assert "another catalog's file has this name" in ran.reasons[0]
    assert files(images) == [name]


def test_an_order_item_is_a_file_for_each_of_its_catalogs(place: Workplace, images: Path) -> None:
    item, ids = item_of(place, 3)
    ran = place.run(record("download_requests", order_item_id=item), state(1))
    assert ran.kinds == ["created"] * 3
    assert {line["catalog_id"] for line in ran.outcomes} == set(ids)
    assert all(each["order_item_ids"] == [] for each in place.posts("/v0/catalogs/download"))
    assert len(files(images)) == 3


@pytest.mark.parametrize("stream", ["download_requests", "order_items"])
def test_an_order_item_without_catalogs_is_not_ready(
    place: Workplace, images: Path, stream: str
) -> None:
    item, _ = item_of(place, 0)
    field = "id" if stream == "order_items" else "order_item_id"
    ran = place.run(record(stream, **{field: item}), deliver_since="all")
    assert ran.kinds == ["skipped" if stream == "order_items" else "failed"]
    assert "not ready" in ran.reasons[0]
    assert files(images) == []


def test_the_tap_s_catalogs_are_downloaded_under_the_same_filters(
    place: Workplace, images: Path
) -> None:
    old, new, other = place.catalogs(3)
    ran = place.run(
        record("catalogs", id=old, created_at="2024-12-31T00:00:00Z", platform="FF"),
        record("catalogs", id=new, created_at="2025-01-02T00:00:00Z", platform="FF"),
        record("catalogs", id=other, created_at="2025-01-02T00:00:00Z", platform="TD"),
        deliver_since="2025-01-01", deliver_when={"platform": "FF"},
        path_template="{platform}/{created_at:%Y}/{catalog_id}",
    )  # fmt: skip
    assert sorted(ran.kinds) == ["created", "skipped", "skipped"]
    [name] = files(images)
    assert name.startswith(f"FF/2025/{new}/")


def test_the_tap_s_order_items_are_too(place: Workplace, images: Path) -> None:
    item, ids = item_of(place, 2)
    ran = place.run(record("order_items", id=item, status="FULFILLED"), deliver_since="all")
    assert ran.kinds == ["created"] * 2
    assert {name.partition("/")[0] for name in files(images)} == set(ids)


def test_with_a_store_to_deliver_to_the_tap_s_catalogs_go_there(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    ran = place.run(
        record("catalogs", id=key, created_at="2025-01-02T00:00:00Z"), wanted(key),
        deliver_to="research", deliver_since="all",
    )  # fmt: skip
    assert ran.kinds == ["created", "created"]
    assert sorted(line["delivery_id"] is None for line in ran.outcomes) == [False, True]
    assert len(files(images)) == 1


@pytest.mark.usefixtures("images")
def test_the_tap_s_catalogs_are_not_downloaded_without_a_date(place: Workplace) -> None:
    [key] = place.catalogs(1)
    ran = place.run(wanted(key), record("catalogs", id=key), state(1))
    assert isinstance(ran.error, InputError)
    assert "'deliver_since' is missing; 'download_to' requires" in str(ran.error)
    assert ran.kinds == ["created"], "what came before it is done"


@pytest.mark.usefixtures("images")
def test_a_date_that_the_first_stream_lacks_is_told_before_any_request_or_file(
    place: Workplace, tmp_path: Path
) -> None:
    place.journal.unlink()
    catalog = record("catalogs", id="b")
    ran = place.run(catalog, state(1))
    assert "'deliver_since' is missing; 'download_to' requires" in errors(ran)
    assert (ran.states, place.sandbox.requests, files(tmp_path)) == ([], [], [])
    ran = place.run(record("archive_items", id="a"), state(1), catalog, state(2))
    assert "'deliver_since' is missing; 'download_to' requires" in errors(ran)
    assert (ran.states, place.sandbox.requests) == ([{"upto": 1}], [])


def test_no_download_to_is_told(place: Workplace) -> None:
    ran = place.run(wanted(place.catalogs(1)[0]), record("catalogs", id="x"), on_error="continue")
    assert ran.kinds == ["failed"]
    assert "set 'download_to'" in ran.reasons[0]
    assert "'download_to' to download them" in ran.log
    assert posted(place) == 0


@pytest.mark.parametrize("bound", [0, 1, 3])
def test_a_run_stops_before_one_download_too_many(
    place: Workplace, images: Path, bound: int
) -> None:
    ids = place.catalogs(4)
    there = place.run(*map(wanted, ids[:1]))
    assert there.kinds == ["created"]
    messages = [each for at, key in enumerate(ids) for each in (wanted(key), state(at))]
    ran = place.run(*messages, max_deliveries=bound)
    count = ran.kinds.count("created")
    assert (ran.status, count) == ((0, 3) if bound == 3 else (3, bound))
    assert len(files(images)) == 1 + count
    if bound == 1:
        assert ran.states[-1] == {"upto": 1}
        assert "1 deliveries and downloads requested; see 'max_deliveries'" in ran.log


@pytest.mark.usefixtures("images")
def test_deliveries_and_downloads_share_the_bound(place: Workplace) -> None:
    first, second = place.catalogs(2)
    ran = place.run(request(first), wanted(second), max_deliveries=1, batch_size=1)
    assert (ran.status, ran.kinds) == (3, ["created"])
    assert ran.outcomes[0]["delivery_id"]


def test_a_dry_run_fetches_nothing_and_says_what_would_be(
    place: Workplace, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, new = place.catalogs(2)
    place.run(wanted(there))
    before = files(images), place.journal.read_text()
    ran = place.run(wanted(there), wanted(new), wanted("0" * 8), state(1), dry_run=True)
    assert (ran.status, ran.states) == (3, [])
    assert ran.summary["downloads"] == 1, "of the run before: a dry run writes no summary"
    assert (files(images), place.journal.read_text()) == before
    assert posted(place) == 1
    table = capsys.readouterr().err
    assert all(
        each in table
        for each in ("exists", "created", "failed", "does not exist in this workspace")
    )


def test_a_dry_run_makes_no_folder(place: Workplace, images: Path) -> None:
    place.run(wanted(place.catalogs(1)[0]), dry_run=True)
    assert not images.exists()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"path": "../out"}, "must not contain . or .. as a folder"),
        ({"path": "/etc"}, "must be relative"),
        ({"path": "a\\b"}, "backslash"),
        ({"path": "x" * 300}, "cannot write its file: File name too long"),
        ({"order_item_id": "both"}, "send one of them"),
        ({"catalog_id": "0" * 8}, "the catalog does not exist"),
    ],
)
def test_a_record_that_cannot_be_done_is_rejected_with_the_reason(
    place: Workplace, images: Path, fields: Json, why: str
) -> None:
    ran = place.run(wanted(**{"catalog": place.catalogs(1)[0], **_renamed(fields)}), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert why in ran.reasons[0]
    assert files(images) == []


def _renamed(fields: Json) -> Json:
    return {"catalog" if name == "catalog_id" else name: each for name, each in fields.items()}


def test_a_path_leads_nowhere_out_of_the_folder_by_a_record_s_field(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    ran = place.run(
        record("catalogs", id=key, created_at="2025-01-02T00:00:00Z", platform="a/../../b"),
        deliver_since="all", path_template="{platform}/{catalog_id}",
    )  # fmt: skip
    assert ran.kinds == ["failed"]
    assert files(images) == []


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("to", "why"),
    [("http://example.org/x", "are read-only"), ("nosuch://x", "cannot open"),
     ("/proc/nothing", "cannot create the folder")],
)  # fmt: skip
def test_a_place_that_cannot_be_used_is_told_before_any_request(
    place: Workplace, to: str, why: str
) -> None:
    ran = place.run(download_to=to)
    assert isinstance(ran.error, InputError)
    assert "Setting 'download_to'" in str(ran.error)
    assert why in str(ran.error)
    assert place.sandbox.requests == []


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("a\x07", "must not contain a control character"),
        (__file__, "must be a folder, but is a file"),
        ("x" * 300, "cannot be read: File name too long"),
        ("~no-such-user/x", "starts with the home of an unknown user"),
    ],
)
def test_a_setting_that_is_no_place_is_told(place: Workplace, to: str, why: str) -> None:
    assert f"'download_to' {why}" in errors(place.run(download_to=to))


def test_a_download_that_takes_its_time_is_waited_for(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(download_seconds=0.1)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert ran.kinds == ["created"]
    assert len(polled(place)) > 2
    assert len(files(images)) == 1


def test_one_that_fails_is_told_and_asked_for_anew_by_the_next_run(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(download_seconds=0, fail_downloads=1.0)
    ran = place.run(wanted(key), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "the API failed to prepare the download" in ran.reasons[0]
    assert ran.outcomes[0]["download_id"] in polled(place)
    place.sandbox.behavior = Behavior(download_seconds=0)
    assert place.run(wanted(key)).kinds == ["created"]
    assert (posted(place), len(files(images))) == (2, 1)


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_one_that_is_not_ready_in_time_is_gone_on_with_by_the_next_run(
    place: Workplace, images: Path, seconds: float
) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(download_seconds=0.4)
    ran = place.run(wanted(key), download_timeout=seconds)
    assert ran.kinds == ["failed"]
    assert f"not ready after {seconds:g} s; see 'download_timeout'" in ran.reasons[0]
    assert place.run(wanted(key)).kinds == ["created"]
    assert (posted(place), len(set(polled(place))), len(files(images))) == (1, 1, 1)


def test_one_that_the_api_has_forgotten_is_asked_for_anew(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    spot: dict[str, Any] = {"catalog": key, "folder": f"{images}/{key}"}
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "download", **spot, "id": "gone"}) + "\n")
    ran = place.run(wanted(key))
    assert ran.kinds == ["created"]
    assert (polled(place)[0], posted(place)) == ("gone", 1)


def test_an_answer_that_is_lost_is_asked_for_again(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(download_seconds=0, drop_accepted=1.0)
    place.sandbox.on_request = lambda asked, _: (
        setattr(place.sandbox, "behavior", Behavior(download_seconds=0))
        if posted(place) > 1 and asked.method == "POST"
        else None
    )
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert (ran.kinds, posted(place)) == (["created"], 2)
    assert len(files(images)) == 1


def test_equal_failures_end_the_run(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(download_seconds=0, fail_downloads=1.0)
    ran = place.run(*map(wanted, place.catalogs(14)), on_error="continue", download_concurrency=1)
    assert "10 failures in a row: the API failed to prepare" in str(ran.error)
    assert 10 <= len(ran.kinds) < 14
    assert files(images) == []


def test_a_journal_of_before_is_read_and_added_to(place: Workplace, images: Path) -> None:
    first, second = place.catalogs(2)
    assert place.run(request(first)).kinds == ["created"]
    assert b"file" not in place.journal.read_bytes()
    ran = place.run(request(first), wanted(second))
    assert sorted(ran.kinds) == ["created", "exists"]
    assert len(files(images)) == 1


def test_a_blank_setting_is_none_so_that_an_inherited_one_can_be_switched_off(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    row = place.sandbox.workspace.get("catalogs", key)
    ran = place.run(record("catalogs", **row), state(1), deliver_to=" ", deliver_since="all")
    assert ran.kinds == ["created"]
    assert len(files(images)) == 1
    ran = place.run(record("catalogs", **row), state(1), deliver_to="", download_to=" ")
    assert ran.kinds == []
    assert ran.summary["ignored"] == {"catalogs": 1}
