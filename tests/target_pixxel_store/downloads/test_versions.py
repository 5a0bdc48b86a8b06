"""After any interruptions, replacements, wrong ranges and kills: one version, or no file."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from target_pixxel_store.downloads import partial_file, transfer
from target_pixxel_store.downloads.destination import LocalDestination
from target_pixxel_store.downloads.transfer import Fetcher, Transfer
from target_pixxel_store.errors import RecordError
from tests.target_pixxel_store.downloads.object_server import (
    SIZE,
    ObjectServer,
    Reply,
    Switch,
    behave,
    cut,
    ignore_range,
    make_zip,
    replaced,
    serve,
    shifted_range,
    status,
    with_body,
    with_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])
_DISK_CALLS = ("pwrite", "fsync", "ftruncate", "rename", "unlink", "fchmod")


class Run(NamedTuple):
    """A run: the server's replies, and the call of `_DISK_CALLS` at which it is killed."""

    script: list[Switch]
    kill_at: int | None


def on_range(switch: Switch) -> Switch:
    """Apply a switch to requests of a range; cut the replies to others, so that one follows."""

    def choose(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        return (switch if request.get("Range") else cut(SIZE // 3))(server, request)

    return choose


def then_cut(switch: Switch, at: int) -> Switch:
    """Cut the reply of a switch."""
    return lambda server, request: replace(switch(server, request), cut=at)


POSITIONS = st.integers(0, SIZE)
OFFSETS = st.integers(-9000, 90)
UNKNOWN_SIZE = with_headers({"Content-Length": None}, is_chunked=True)
LARGER_RANGE = on_range(shifted_range(0, 10, 10))
WHOLE_REPLIES = st.one_of(
    st.just(behave),
    st.just(ignore_range),
    st.just(replaced()),
    st.builds(status, st.sampled_from([416, 429, 500, 503])),
    st.just(UNKNOWN_SIZE),
)
RANGE_REPLIES = st.one_of(
    WHOLE_REPLIES,
    st.builds(shifted_range, OFFSETS, OFFSETS, st.sampled_from([0, 0, 10])),
    st.just(replaced({"ETag": None})),
    st.just(with_headers({"Content-Range": None})),
    st.builds(with_body, st.just(lambda body: body[:-9]), chunked=st.booleans()),
    st.just(with_body(lambda body: body + bytes(9), chunked=True)),
).map(on_range)
REPLIES = st.one_of(
    WHOLE_REPLIES,
    RANGE_REPLIES,
    st.builds(cut, POSITIONS),
    st.builds(then_cut, WHOLE_REPLIES | RANGE_REPLIES, POSITIONS),
)
RUNS = st.builds(Run, st.lists(REPLIES, max_size=6), st.none() | st.integers(1, 40))
VALIDATORS = st.sampled_from([{}, {"ETag": None}, {"Last-Modified": None}, {"ETag": 'W/"weak"'}])


def download(url: str, folder: str, kill_at: int | None) -> None:
    """Download an object to a folder; be killed before, or within, a call that changes the disk."""
    partial_file.BOUNDARY_BYTES = 4096
    transfer.BACKOFF = transfer.BACKOFF._replace(first=0.0)
    calls = 0

    def count(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                if call is pwrite:
                    call(args[0], args[1][: len(args[1]) // 2], args[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted

    pwrite = os.pwrite
    for name in _DISK_CALLS:
        setattr(os, name, count(getattr(os, name)))
    destination = LocalDestination(folder)
    fetcher = Fetcher(connections=1, request_timeout=100.0, user_agent="t", check=lambda: None)
    try:
        with destination.partial_file("", "catalog") as part:
            job = Transfer(part, lambda file: file, lambda *_: None, lambda: None)
            destination.commit(part, "", fetcher.fetch(url, job).name)
    except RecordError:
        return


def run_process(*args: object) -> int | None:
    """Run `download` in a process of its own; return its exit status."""
    process = _processes.Process(target=download, args=args)
    process.start()
    process.join()
    return process.exitcode


@settings(max_examples=50, deadline=None)
@given(st.lists(RUNS, min_size=1, max_size=3), VALIDATORS)
@example([Run([cut(SIZE // 2), behave], 16), Run([LARGER_RANGE], None)], {})
@example([Run([then_cut(UNKNOWN_SIZE, SIZE // 2), LARGER_RANGE], None)], {})
def test_file_has_the_bytes_of_one_version_or_does_not_exist(
    runs: list[Run], validators: dict[str, str | None]
) -> None:
    server = ObjectServer(headers=validators)
    with TemporaryDirectory() as folder, serve(server):
        server.url = server.url.replace("image.zip", "image.bin")  # no content check helps
        file = Path(folder, "image.bin")
        for run in [*runs, Run([], None)]:
            server.script[:] = run.script
            exit_status = run_process(server.url, folder, run.kill_at)
            event(f"exit status {exit_status}")
            versions = [make_zip(each) for each in range(1, server.version + 1)]
            assert exit_status in {0, -signal.SIGKILL}
            assert not file.exists() or file.read_bytes() in versions
        assert file.read_bytes() == server.content
        assert list(Path(folder).iterdir()) == [file]
