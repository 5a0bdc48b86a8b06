"""What is fetched breaks off, expires, changes or is no file at all; nothing wrong is kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.download_checks import (
    LARGE,
    files,
    polled,
    posted,
    ranges,
    when_fetched,
    whole,
)
from tests.target_pixxel_store.target_runner import state, wanted

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import FetchRecord
    from tests.target_pixxel_store.target_runner import Workplace

LARGE_NOW: dict[str, Any] = {"download_seconds": 0, "download_bytes": LARGE}


def test_after_a_break_the_rest_is_fetched_and_no_more(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=4)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert ran.kinds == ["created"]
    assert whole(place, ran.outcomes[0])
    part = LARGE // 5
    assert ranges(place.sandbox.fetches) == [None, *(f"bytes={part * n}-" for n in range(1, 5))]
    assert [each.status for each in place.sandbox.fetches] == [200, 206, 206, 206, 206]
    assert {each.if_range is None for each in place.sandbox.fetches[1:]} == {False}
    assert sum(each.sent for each in place.sandbox.fetches) == LARGE
    assert len(files(images)) == 1
    assert ran.outcomes[0]["attempts"] == 6


def test_more_breaks_than_attempts_are_no_matter_while_something_comes(
    place: Workplace, images: Path
) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=9)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert whole(place, ran.outcomes[0])
    assert (len(place.sandbox.fetches), len(files(images))) == (10, 1)


def test_where_nothing_comes_a_file_is_given_up_and_its_part_kept(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=1)
    when_fetched(place, lambda _: setattr(
        place.sandbox, "behavior",
        Behavior(
            **LARGE_NOW, interrupt_fetches=1, error_page=float(len(place.sandbox.fetches) > 1)
        ),
    ))  # fmt: skip
    ran = place.run(wanted(key), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "5 attempts without new data" in ran.reasons[0]
    assert len(place.sandbox.fetches) == 6
    assert all(name.startswith(f"{key}/.") for name in files(images))
    when_fetched(place, lambda _: None)
    place.sandbox.behavior = Behavior(**LARGE_NOW)
    ran = place.run(wanted(key))
    assert whole(place, ran.outcomes[0])


def test_an_error_page_is_never_saved(place: Workplace, images: Path) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(download_seconds=0, error_page=1.0)
    ran = place.run(wanted(key))
    assert "the response is an HTML page" in ran.reasons[0]
    assert files(images) == []


def test_a_server_that_knows_no_ranges_sends_all_again(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=2, ignore_range=True)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert whole(place, ran.outcomes[0])
    assert [each.status for each in place.sandbox.fetches] == [200, 200, 200]
    assert len(files(images)) == 1


def test_when_the_file_has_changed_meanwhile_none_of_the_old_is_kept(
    place: Workplace, images: Path
) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=1)
    changed = Behavior(download_seconds=0, download_bytes=LARGE - 1000)
    when_fetched(place, lambda each: (
        setattr(place.sandbox, "behavior", changed) if each.range else None
    ))  # fmt: skip
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert whole(place, ran.outcomes[0])
    assert [each.status for each in place.sandbox.fetches] == [200, 200]
    assert len(files(images)) == 1


def test_an_expired_url_is_replaced_by_a_fresh_one(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, url_seconds=0, interrupt_fetches=1)
    good = Behavior(**LARGE_NOW, interrupt_fetches=1)
    when_fetched(place, lambda _: (
        setattr(place.sandbox, "behavior", good) if len(place.sandbox.fetches) > 1 else None
    ))  # fmt: skip
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert whole(place, ran.outcomes[0])
    assert [each.status for each in place.sandbox.fetches] == [403, 403, 200, 206]
    assert (posted(place), len(set(polled(place))), len(files(images))) == (1, 1, 1)


def test_one_that_expires_in_the_middle_goes_on_there(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, interrupt_fetches=2)
    downloads = place.sandbox._state.downloads

    def spoil(each: FetchRecord) -> None:
        if each.range and len(place.sandbox.fetches) == 2:
            downloads.signing_key = b"another key, so that the signature is of no use any more"

    when_fetched(place, spoil)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert whole(place, ran.outcomes[0])
    assert [each.status for each in place.sandbox.fetches] == [200, 403, 206, 206]
    assert len(files(images)) == 1


@pytest.mark.usefixtures("images")
def test_urls_that_are_always_refused_fail_the_record(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(download_seconds=0, url_seconds=0)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert ran.reasons == ["its signed URL is refused (403), and so were new ones"]
    assert [each.status for each in place.sandbox.fetches] == [403] * 3


def test_an_old_download_whose_object_is_gone_is_asked_for_anew(
    place: Workplace, images: Path
) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(download_seconds=0, url_seconds=0)
    place.run(wanted(key))
    [old] = set(polled(place))
    downloads = place.sandbox._state.downloads
    downloads.by_id[old] = dataclasses.replace(downloads.by_id[old], catalog_ids=("gone",))
    place.sandbox.behavior = Behavior(download_seconds=0)
    ran = place.run(wanted(key))
    assert whole(place, ran.outcomes[0])
    assert ran.outcomes[0]["download_id"] != old
    assert (posted(place), len(files(images))) == (2, 1)


@pytest.mark.usefixtures("images")
def test_no_fetch_carries_the_token(place: Workplace) -> None:
    place.run(wanted(place.catalogs(1)[0]))
    assert [each.has_authorization for each in place.sandbox.fetches] == [False]


def test_several_are_fetched_at_once(place: Workplace, images: Path) -> None:
    place.sandbox.behavior = Behavior(**LARGE_NOW, download_rate=10e6)
    most = 0

    def count(_: FetchRecord) -> None:
        nonlocal most
        now = sum(each.status != 200 or each.sent < LARGE for each in place.sandbox.fetches)
        most = max(most, now)

    when_fetched(place, count)
    ran = place.run(*map(wanted, place.catalogs(4)), download_concurrency=4)
    assert ran.kinds == ["created"] * 4
    assert (most, len(files(images))) == (4, 4)
