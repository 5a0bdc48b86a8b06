"""Logging to standard error: JSON lines, or short lines if it is a terminal."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from singer_sdk._logging import _setup_console_logging
from singer_sdk.logging import StructuredFormatter

from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from types import TracebackType


def is_interactive() -> bool:
    """Return whether standard error is a terminal."""
    return sys.stderr.isatty()


def align_columns(rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Return the rows of a table as lines that a log can hold.

    Args:
        rows: The cells, as many in each row.
        alignment: For each column `<` (left) or `>` (right).
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, alignment, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def join_names(names: Sequence[str], limit: int = 10) -> str:
    """Return names as a list in a line, and how many more there are than its limit."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def log_result(logger: logging.Logger, line: str) -> None:
    """Log what was done as INFO; on a terminal, which shows only warnings, print it instead."""
    if is_interactive() and not logger.isEnabledFor(logging.INFO):
        sys.stderr.write(f"{escape_controls(line)}\n")
    else:
        logger.info("%s", line)


def set_up_logging(prefix: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Configure the root logger to write to standard error.

    A file named in `SINGER_SDK_LOG_CONFIG` (Meltano sets it) replaces this configuration. Otherwise
    the level is `<PREFIX>LOGLEVEL` or `LOGLEVEL`; the default is WARNING on a terminal, else INFO.
    A level that does not exist is ignored.

    Args:
        prefix: The plugin's prefix for environment variables, such as `TAP_PIXXEL_`.
        environment: The environment variables; an invalid level is removed from them.
    """
    names = logging.getLevelNamesMapping()
    for name in (f"{prefix}LOGLEVEL", "LOGLEVEL"):
        if environment.get(name) and environment[name].upper() not in names:
            environment.pop(name)  # the SDK reads it, too, and would fail
    level = environment.get(f"{prefix}LOGLEVEL") or environment.get("LOGLEVEL")
    interactive = is_interactive()
    default = "WARNING" if interactive else "INFO"
    logging.root.handlers.clear()
    _setup_console_logging(log_level=(level or default).upper())
    if "SINGER_SDK_LOG_CONFIG" in environment:
        return
    if interactive:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.logging import RichHandler  # noqa: PLC0415

        console = Console(stderr=True)
        logging.root.handlers = [RichHandler(console=console, show_path=False)]
        logging.root.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    else:
        logging.root.handlers[0].setFormatter(StructuredFormatter())


def log_uncaught_exceptions(logger: logging.Logger) -> None:
    """Log uncaught exceptions, also those of threads, so that they are redacted."""

    def main_hook(
        error_class: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logger.critical("unexpected error, please report it", exc_info=(error_class, error, trace))

    def thread_hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            main_hook(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = main_hook
    threading.excepthook = thread_hook
