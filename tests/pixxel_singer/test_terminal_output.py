"""Control characters of the API and of messages are escaped wherever a person may read them."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.logging import RichHandler
from singer_sdk.logging import StructuredFormatter

from pixxel_sandbox import Sandbox
from pixxel_singer import progress
from pixxel_singer.progress import DownloadProgress
from pixxel_singer.redaction import Redactor, escape_controls, redact_logs
from target_pixxel_store.outcomes import Outcome, OutcomeKind, TargetLocation
from target_pixxel_store.outcomes.recorder import DryRunRow
from target_pixxel_store.outcomes.tables import print_dry_run_table
from tests.tap_pixxel.commands import TAP_COMMAND, make_environment

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\x1b]0;owned\x07\x1b[2J\r\x08\x7f\x9b1m\u202e\u2066\u200f[red]"
ESCAPED = r"\x1b]0;owned\x07\x1b[2J\r\x08\x7f\x9b1m\u202e\u2066\u200f[red]"


def has_raw_controls(text: str) -> bool:
    """Return whether a text has controls other than line ends and the colours that rich writes."""
    return any(
        bad in text for bad in ("\x1b]", "\x1b[2J", "\x07", "\x08", "\x7f", "\x9b", "\u202e")
    )


def test_escape_controls_ordinary_text_stays() -> None:
    text = "a é 漢 \U0001f6f0 \u00a0 \\x1b"
    assert escape_controls(text) == text
    assert escape_controls("\ud800\u2028") == r"\ud800\u2028"
    assert escape_controls("a\tb\nc\x00") == r"a\tb\nc\x00"
    assert escape_controls("a\tb\nc\x00", keep="\n\t") == "a\tb\nc\\x00"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


def raise_error(text: str) -> None:
    raise ValueError(text)


def write_log(handler: logging.Handler) -> None:
    """Log a message, and an error with a traceback, with a secret in both."""
    redact = Redactor()
    redact.add(["s3cret"])
    logger = logging.getLogger("tests.terminal")
    logger.addHandler(handler)
    try:
        redact_logs(redact)
        logger.error("%s: s3cret\nforged line", EVIL)
        try:
            raise_error(f"s3cret {EVIL}")
        except ValueError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize("formatter", [None, logging.Formatter("%(levelname)s %(message)s")])
def test_plain_log_is_escaped(log: io.StringIO, formatter: logging.Formatter | None) -> None:
    handler = logging.StreamHandler(log)
    handler.setFormatter(formatter)
    write_log(handler)
    first, *others = log.getvalue().splitlines()
    assert first.endswith(rf"{ESCAPED}: [redacted]\nforged line")
    assert others[-1] == f"ValueError: [redacted] {ESCAPED}"
    assert not has_raw_controls(log.getvalue())


def test_json_log_is_escaped_for_its_reader(log: io.StringIO) -> None:
    handler = logging.StreamHandler(log)
    handler.setFormatter(StructuredFormatter())
    write_log(handler)
    message = json.loads(log.getvalue().splitlines()[0])["message"]
    assert message == rf"{ESCAPED}: [redacted]\nforged line"
    assert not has_raw_controls(log.getvalue())


def test_rich_log_is_escaped(log: io.StringIO) -> None:
    write_log(RichHandler(console=Console(file=log, width=400), show_path=False))
    assert rf"{ESCAPED}: [redacted]\nforged line" in log.getvalue()
    assert not has_raw_controls(log.getvalue())


def test_download_progress_label_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    screen = io.StringIO()
    monkeypatch.setattr(progress, "_log_console", lambda: Console(file=screen, width=200))
    shown = DownloadProgress()
    shown.add_file()
    with shown.track_file() as update:
        update(f"{EVIL}[/]", 1, 2)
        assert shown._progress is not None
        shown._progress.refresh()
        screen.truncate(0)
        shown._progress.console.print(shown._progress.get_renderable())
    shown.stop()
    assert not has_raw_controls(screen.getvalue())
    assert f"{ESCAPED}[/]" in screen.getvalue()


def sync_with_unknown_field(sandbox: Sandbox) -> None:
    [key, *_] = sandbox.workspace.ids("stores")
    sandbox.workspace.update("stores", key, **{EVIL: 1})


def test_tap_on_a_terminal_writes_no_raw_controls(tmp_path: Path) -> None:
    with Sandbox(seed=1, items=5) as sandbox, (tmp_path / "out").open("wb") as out:
        sync_with_unknown_field(sandbox)
        terminal, stderr = pty.openpty()
        process = subprocess.Popen(
            [TAP_COMMAND, "--config=ENV"],
            stdout=out,
            stderr=stderr,
            env=make_environment(
                TAP_PIXXEL_API_URL=sandbox.url,
                TAP_PIXXEL_API_TOKEN=sandbox.token,
                LOGLEVEL="INFO",
                COLUMNS="400",
            ),
        )
        os.close(stderr)
        written = b""
        try:
            while chunk := os.read(terminal, 1 << 16):
                written += chunk
        except OSError:  # the terminal is closed at its other end
            pass
        os.close(terminal)
        assert process.wait(60) == 0
    text = written.decode(errors="replace")
    assert "kept in" in text
    assert r"\x1b" in text
    assert not has_raw_controls(text)


def test_dry_run_table_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    location = TargetLocation("store", EVIL)
    row = DryRunRow("catalogs", "id a", Outcome(OutcomeKind.CREATED, "", "a", location=location))
    print_dry_run_table([row], {EVIL: 1}, {"a": {"item_id": EVIL, "datetime": None}})
    written = capsys.readouterr().err
    assert not has_raw_controls(written)
    assert written.count(ESCAPED) == 3
