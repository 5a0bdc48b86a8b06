"""Downloads are stopped, in the middle or by a failure, and say nothing of their signed URLs."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pixxel_sandbox import Behavior
from pixxel_sandbox.files import object_server
from target_pixxel_store.errors import DiskError
from tests.target_pixxel_store.download_checks import (
    LARGE,
    files,
    posted,
    ranges,
    when_fetched,
    whole,
)
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    lines_of,
    state,
    text_of,
    wanted,
    with_schemas,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Workplace

SLOW: dict[str, Any] = {"download_seconds": 0, "download_bytes": LARGE, "download_rate": 2e6}


def test_a_signal_in_the_middle_leaves_the_part_and_the_next_run_ends_it(
    place: Workplace, images: Path
) -> None:
    done, key = place.catalogs(2)
    messages = with_schemas(wanted(done), state(1), wanted(key), state(2))
    when_fetched(place, lambda _: (
        setattr(place.sandbox, "behavior", Behavior(**SLOW))
        if len(place.sandbox.fetches) > 1 else None
    ))  # fmt: skip
    config = place.config(download_concurrency=1)
    with subprocess.Popen(
        [TARGET, "--config", str(config)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as target:  # fmt: skip
        assert target.stdin is not None
        target.stdin.write(text_of(*messages).encode())
        target.stdin.close()
        end = time.monotonic() + 30
        while len(place.sandbox.fetches) < 2 or place.sandbox.fetches[1].sent < LARGE // 4:
            assert time.monotonic() < end
            time.sleep(0.01)
        target.terminate()
        began = time.monotonic()
        assert target.stdout is not None
        out = target.stdout.read()
        assert target.wait(30) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 3
    assert [json.loads(line) for line in out.splitlines()] == [{"upto": 1}]
    assert [line["outcome"] for line in lines_of(place.folder / "outcomes")] == ["created"]
    assert [name for name in files(images) if key in name and name.endswith(".part")]
    place.sandbox.behavior = Behavior(download_seconds=0, download_bytes=LARGE)
    ran = place.run(wanted(key), state(2))
    assert (ran.kinds, ran.states) == (["created"], [{"upto": 2}])
    assert whole(place, ran.outcomes[0])
    assert ranges(place.sandbox.fetches)[2] not in {None, "bytes=0-"}
    assert posted(place) == 2
    assert len(files(images)) == 2


def test_the_first_failure_stops_what_is_in_flight_which_keeps_its_part(
    place: Workplace, images: Path
) -> None:
    good, slow = place.catalogs(2)
    place.sandbox.behavior = Behavior(**{**SLOW, "download_bytes": 20_000_000})

    def fail(_: Any) -> None:
        time.sleep(0.05)

    when_fetched(place, fail)
    began = time.monotonic()
    ran = place.run(wanted(slow), wanted(good), wanted("0" * 8), state(1), download_concurrency=3)
    assert time.monotonic() - began < 5
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "the catalog does not exist" in ran.reasons[0]
    assert [name for name in files(images) if name.endswith(".zip")] == []
    place.sandbox.behavior = Behavior(download_seconds=0, download_bytes=20_000_000)
    again = place.run(wanted(slow), wanted(good))
    assert again.kinds == ["created", "created"]
    assert all(whole(place, line) for line in again.outcomes)


def test_what_had_finished_by_then_is_accounted_for(place: Workplace, images: Path) -> None:
    good, bad = place.catalogs(2)
    messages = [wanted(good), state(1), wanted(bad, path="../x"), state(2)]
    ran = place.run(*messages)
    assert ran.status == 1
    assert sorted(ran.kinds) in (["created", "failed"], ["failed"])
    assert ("created" in ran.kinds) == (ran.states == [{"upto": 1}])
    assert len([name for name in files(images) if name.endswith(".zip")]) <= 1


def test_under_continue_the_others_go_on(place: Workplace, images: Path) -> None:
    first, second = place.catalogs(2)
    ran = place.run(wanted(first), wanted("0" * 8), wanted(second), state(1), on_error="continue")
    assert (ran.status, sorted(ran.kinds)) == (3, ["created", "created", "failed"])
    assert ran.states == [{"upto": 1}]
    assert ran.rejected[-1]["record"] == {"catalog_id": "0" * 8}
    assert len(files(images)) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_ends_the_run_with_one_line(
    place: Workplace, images: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", full)
    ran = place.run(*map(wanted, place.catalogs(2)), state(1), on_error="continue")
    assert isinstance(ran.error, DiskError)
    assert f"cannot write downloads: {os.strerror(number)}; free disk space" in str(ran.error)
    assert (ran.kinds, ran.states, ran.rejected) == ([], [], [])
    monkeypatch.undo()
    place.settings["download_to"] = str(images)
    assert place.run(*map(wanted, place.catalogs(2))).kinds == ["created"] * 2


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Those of all signed URLs that the sandbox gives out from now on."""
    found: set[str] = set()
    sign = object_server.make_signed_url

    def signed(*args: Any) -> str:
        url = sign(*args)
        found.update(parse_qs(urlsplit(url).query)["signature"])
        return url

    monkeypatch.setattr("pixxel_sandbox.endpoints.downloads.make_signed_url", signed)
    return found


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("behavior", "kind"),
    [
        ({"interrupt_fetches": 2}, "created"),
        ({"url_seconds": 0}, "failed"),
        ({"error_page": 1.0}, "failed"),
        ({"fail_downloads": 1.0}, "failed"),
        ({"break_downloads": 1.0}, "failed"),
    ],
)
def test_nothing_that_is_said_or_written_has_a_signature(
    place: Workplace,
    signatures: set[str],
    caplog: pytest.LogCaptureFixture,
    behavior: dict[str, Any],
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(download_seconds=0, download_bytes=LARGE, **behavior)
    ran = place.run(wanted(key), state(1), on_error="continue")
    assert ran.kinds == [kind]
    assert bool(signatures) == ("fail_downloads" not in behavior)
    assert "urllib3.connectionpool" in caplog.text
    written = [path for path in place.folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode(errors="replace") for path in written
             if path.suffix != ".zip"]  # fmt: skip
    told = "\n".join([caplog.text, ran.log, *texts, *map(str, written)])
    assert [each for each in signatures if each in told] == []
    assert "signature=" not in told
