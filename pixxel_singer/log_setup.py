"""Logs on standard error: JSON lines for machines, short lines and progress for a person."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from singer_sdk._logging import _setup_console_logging
from singer_sdk.logging import StructuredFormatter

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType


def is_interactive() -> bool:
    """Tell whether standard error is a terminal."""
    return sys.stderr.isatty()


def set_up_logging(prefix: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Make the root logger write to standard error.

    A file named in `SINGER_SDK_LOG_CONFIG` (Meltano sets it) decides everything. Else the level is
    `<PREFIX>LOGLEVEL` or `LOGLEVEL`, INFO without them, and for a person WARNING. A level that
    does not exist counts as not given.

    Args:
        prefix: The plugin's prefix for environment variables, such as `TAP_PIXXEL_`.
        environment: Where to look the variables up.
    """
    names = logging.getLevelNamesMapping()
    for name in (f"{prefix}LOGLEVEL", "LOGLEVEL"):
        if environment.get(name) and environment[name].upper() not in names:
            environment.pop(name)  # the SDK reads it too, and fails on it
    asked = environment.get(f"{prefix}LOGLEVEL") or environment.get("LOGLEVEL")
    watched = is_interactive()
    level = asked.upper() if asked else "WARNING" if watched else "INFO"
    logging.root.handlers.clear()
    _setup_console_logging(log_level=level)
    if "SINGER_SDK_LOG_CONFIG" in environment:
        return
    if watched:
        from rich.console import Console  # noqa: PLC0415 - only where a person watches
        from rich.logging import RichHandler  # noqa: PLC0415

        console = Console(stderr=True)
        logging.root.handlers = [RichHandler(console=console, show_path=False)]
        logging.root.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    else:
        logging.root.handlers[0].setFormatter(StructuredFormatter())


def log_uncaught_exceptions(logger: logging.Logger) -> None:
    """Send exceptions nobody caught, those of threads too, through the (redacted) log."""

    def main_hook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logger.critical("unexpected error, please report it", exc_info=(kind, error, trace))

    def thread_hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            main_hook(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = main_hook
    threading.excepthook = thread_hook
