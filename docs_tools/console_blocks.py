"""Console blocks of the documentation: what they state, and a shell that runs them.

A line of a block that starts with `$ ` is a command, `> ` continues it, and the other lines are its
output on a terminal. In an output, `...` stands for any text. A block that cannot run in the tests
follows the comment `<!-- not run: REASON -->`.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING, Self

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from types import TracebackType

PROJECT = Path(__file__).parents[1]
COLUMNS, LINES = 100, 50
STEP_SECONDS = 60.0
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*")
_SHOWN_HOME = "/home/you"
_VARYING = (
    (re.compile(r"\x1b\[[\d;]*m"), ""),  # colour
    (re.compile(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]"), "⠋"),  # spinner
    (re.compile(r"(records|100%) \d+:\d\d:\d\d"), r"\1 0:00:00"),  # duration
    (re.compile(r"\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\]"), "[07/01/25 12:00:00]"),  # log time
)


@dataclass(frozen=True)
class Step:
    """A command and its output as the page shows it."""

    command: str
    output: str


@dataclass(frozen=True)
class Block:
    """A console block of a page.

    Attributes:
        page: Path of the page, relative to the project.
        line: Line of the page on which the block starts, from 1.
        steps: Commands of the block.
        not_run: Why the block cannot run in the tests, or None.
    """

    page: str
    line: int
    steps: tuple[Step, ...]
    not_run: str | None


def read_blocks(path: Path) -> list[Block]:
    """Return the console blocks of a page."""
    page = str(path.relative_to(PROJECT))
    blocks = []
    reason = None
    for token in MarkdownIt().parse(path.read_text()):
        comment = _NOT_RUN.fullmatch(token.content)
        if token.type == "fence" and token.info == "console":
            steps = tuple(_parse_steps(token.content))
            blocks.append(Block(page, token.map[0] + 1 if token.map else 0, steps, reason))
        if token.type in {"html_block", "fence"}:
            reason = comment[1] if comment else None
    return blocks


def _parse_steps(text: str) -> list[Step]:
    commands: list[str] = []
    outputs: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            commands.append(line[2:])
            outputs.append("")
        elif line.startswith("> ") and not outputs[-1]:
            commands[-1] += line[2:]
        else:
            outputs[-1] += line
    return [Step(*pair) for pair in zip(commands, outputs, strict=True)]


@dataclass
class Shell:
    """A bash whose output is a terminal; a context manager.

    Attributes:
        home: Its home folder, in which it starts.
    """

    home: Path
    _output: str = field(default="", init=False)

    def __enter__(self) -> Self:
        """Start bash."""
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")
        self._terminal, terminal_side = os.openpty()
        ioctl(terminal_side, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        commands, own_side = os.pipe()
        self._commands = os.fdopen(own_side, "w")
        self._process = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"],
            stdin=commands,
            stdout=terminal_side,
            stderr=terminal_side,
            cwd=self.home,
            env=self._make_environment(),
            start_new_session=True,
        )
        os.close(terminal_side)
        os.close(commands)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let bash reach the end of its input, or kill it and what it has started."""
        self._commands.close()
        try:
            self._process.wait(0 if error else 20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._terminal)

    def run(self, command: str) -> tuple[str, int]:
        """Run a command; return its output, as a page shows it, and its exit status."""
        mark = secrets.token_hex(8)
        # The subshell keeps $? for the next command.
        self._commands.write(f"{command.rstrip()}\n_s=$?; printf '{mark} %s\\n' $_s; (exit $_s)\n")
        self._commands.flush()
        end = re.compile(rf"{mark} (\d+)\r?\n")
        deadline = time.monotonic() + STEP_SECONDS
        while not (found := end.search(self._output)):
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            if not ready:
                raise TimeoutError(f"no end after {STEP_SECONDS} s: {command}\n{self._output}")
            self._output += self._decoder.decode(os.read(self._terminal, 1 << 16))
        output, self._output = self._output[: found.start()], self._output[found.end() :]
        return self._show(output), int(found[1])

    def _show(self, output: str) -> str:
        text = output.replace("\r\n", "\n").replace(str(self.home), _SHOWN_HOME)
        for pattern, shown in _VARYING:
            text = pattern.sub(shown, text)
        return text

    def _make_environment(self) -> dict[str, str]:
        plugins = ("TAP_", "TARGET_", "PIXXEL_", "MELTANO_", "COVERAGE_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(plugins)}
        return kept | {
            "HOME": str(self.home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "COLUMNS": str(COLUMNS),
            "LINES": str(LINES),
            "TERM": "dumb",  # rich then shows the last state of each bar
            "LC_ALL": "C.UTF-8",
        }
