"""MessageReader: lines of pipes and files, errors with line numbers, and stop requests."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
from typing import IO, TYPE_CHECKING, Any

import msgspec
import pytest

from pixxel_api.json_decoding import decode_object
from pixxel_singer.errors import InputError
from pixxel_singer.message_reader import MessageReader, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StopNow(Exception):
    """Raised by `check` to request a stop."""


def no_check() -> None:
    """Request no stop."""


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], int]]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        yield file, writer


def read_messages(text: bytes) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    MessageReader().process_lines(
        io.BytesIO(text), {"RECORD": messages.append, "STATE": messages.append}
    )
    return messages


@pytest.mark.parametrize("length", [1, 100, 300_000, 2_000_000])
def test_read_lines_from_pipe_yields_whole_lines(pipe: tuple[IO[bytes], int], length: int) -> None:
    lines = [b"a" * length, b"", b"b" * (length + 1), b"last, without a newline"]

    def write() -> None:
        with os.fdopen(pipe[1], "wb") as file:
            file.write(b"\n".join(lines))

    thread = threading.Thread(target=write)
    thread.start()
    assert list(read_lines(pipe[0], no_check)) == lines
    thread.join()


def test_read_lines_from_file_yields_lines(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one\ntwo\n")
    with path.open("rb") as file:
        assert list(read_lines(file, no_check)) == [b"one", b"two"]


def test_stop_during_partial_line_ends_read(pipe: tuple[IO[bytes], int]) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StopNow

    os.write(pipe[1], b"one\nhalf")
    lines: list[bytes] = []
    with pytest.raises(StopNow):
        lines += read_lines(pipe[0], check)
    os.close(pipe[1])


def test_blank_lines_are_skipped_and_counted() -> None:
    assert read_messages(b'\n  \n{"type":"RECORD","a":1}\r\n\n{"type":"STATE"}') == [
        {"type": "RECORD", "a": 1},
        {"type": "STATE"},
    ]
    with pytest.raises(InputError, match="line 3 of the input"):
        read_messages(b"\n\nno JSON")


@pytest.mark.parametrize(
    "line",
    [
        b"s3cret",
        b'{"type":"RECORD","s3cret":1',
        b'["s3cret"]',
        b'{"type":"s3cret"}',
        b'{"type":["s3cret"]}',
        b'{"s3cret":1}',
        b'{"type":"RECORD","s3cret":"\xff"}',
        b'{"a":' * 100_000,
        b'{"type":"RECORD","s3cret":1e400}',
        b'{"type":"RECORD","s3cret":NaN}',
    ],
)
def test_invalid_line_error_has_line_number_without_text(line: bytes) -> None:
    with pytest.raises(InputError, match="line 2 of the input") as caught:
        read_messages(b'{"type":"RECORD"}\n' + line + b"\n")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["with its end", "without an end"])
def test_too_long_line_is_refused_with_its_number(
    pipe: tuple[IO[bytes], int], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr("pixxel_singer.message_reader.MAX_LINE_BYTES", 1 << 20)
    text = b'{"type":"RECORD"}\n"' + b"x" * (2 << 20) + end

    def write() -> None:
        with os.fdopen(pipe[1], "wb") as file, contextlib.suppress(BrokenPipeError):
            file.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    with pytest.raises(InputError, match="line 2 of the input has more than 1 MiB"):
        MessageReader().process_lines(pipe[0], {"RECORD": lambda _: None})
    pipe[0].close()
    thread.join()
    with pytest.raises(InputError, match="line 2 of the input has more than 1 MiB"):
        read_messages(text)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a":1e400}', "has the number 1e400, which is out of range"),
        (b'{"a":"NaN","b":[-1.5E+999]}', "has the number -1.5E.999, which is out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "has the number 9{40}… of 5,000 characters"),
        (b'{"a":[1,NaN]}', "has the value NaN, which is not JSON"),
        (b'{"a":-Infinity}', "has the value -Infinity, which is not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "begins with the byte order mark of UTF-8"),
        ('{"a":1}'.encode("utf-16"), "begins with the byte order mark of UTF-16"),
        ('{"a":1}'.encode("utf-32"), "begins with the byte order mark of UTF-32"),
        (b'{"a":"\xe9"}', "is not UTF-8"),
        (b'{"a":"NaN 1e400"', "is not a JSON object; check that the tap"),
        (b"warning: NaN of 1e400", "is not a JSON object; check that the tap"),
        (b'{"type":"STATE","value":' + b"[" * 600 + b"]" * 600 + b"}", "is nested more than 500"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_line_that_is_not_json_is_named_as_what_it_is(line: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=f"^line 2 of the input {problem}"):
        read_messages(b'{"type":"RECORD"}\n' + line + b"\n")


def test_byte_order_mark_of_blank_first_line_is_skipped() -> None:
    assert read_messages(b'\xef\xbb\xbf\r\n{"type":"STATE"}') == [{"type": "STATE"}]


@pytest.mark.parametrize("texts", [[r"\ud800"], [r"a\uDC00b"], [r"\ud83d\ude00\ud83d", r"\\ud800"]])
def test_half_of_surrogate_pair_is_repaired_as_by_tap(
    caplog: pytest.LogCaptureFixture, texts: list[str]
) -> None:
    """A target reads what other taps write with Python's json, as pixxel_api reads the API."""
    line = b'{"type":"RECORD","record":["%s"]}' % '","'.join(texts).encode()
    by_tap = decode_object(bytearray(line), "GET", "/", 200)
    assert read_messages(line + b"\n" + line) == 2 * [
        {"type": "RECORD", "record": msgspec.json.decode(by_tap.fields["record"])}
    ]
    [warning] = caplog.records
    assert warning.getMessage().startswith("line 1 of the input: replaced 1 lone surrogates")


@pytest.mark.parametrize("text", ["", "[[[{{{", r"\"[{\\"])
@pytest.mark.parametrize("depth", [499, 500, 1_000_000])
def test_record_nested_too_deeply_is_pruned_and_marked(depth: int, text: str) -> None:
    line = b'{"type":"RECORD","id":"%s","record":%s1%s,"after":[%s]}' % (
        *(text.encode(), b"[" * depth, b"]" * depth),
        b",".join([b"{}"] * 600),
    )
    reader = MessageReader()
    messages: list[dict[str, Any]] = []
    reader.process_lines(io.BytesIO(line), {"RECORD": messages.append})
    [message] = messages
    assert (message["id"], len(message["after"])) == (json.loads(f'"{text}"'), 600)
    assert reader.is_pruned == (depth >= 500)
    value, levels = message["record"], 0
    while isinstance(value, list):
        [value], levels = value, levels + 1
    assert (value, levels) == ((None, 499) if depth >= 500 else (1, depth))
