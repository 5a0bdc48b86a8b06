"""The command line of a plugin: one line for each mistake, and an exit status that says what."""

from __future__ import annotations

import errno
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.plugin_base import SingerCommand

from pixxel_singer.exits import Exit, InputError, ReaderGoneError
from pixxel_singer.logs import log_uncaught
from pixxel_singer.process import leave
from pixxel_singer.signals import Stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOST = frozenset({errno.EPIPE, errno.ENOSPC})


class PluginCommand(SingerCommand):
    """A Singer command whose errors are lines, not tracebacks.

    Args:
        expected: Errors whose text is all that a user needs.
        args, kwargs: As for `SingerCommand`.
    """

    def __init__(self, *args: Any, expected: tuple[type[Exception], ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected: tuple[type[Exception], ...] = (*expected, SingerSDKError)

    def main(  # type: ignore[override]  # click's overloads tell standalone modes apart
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> None:
        """Run the command and exit with a status of `Exit`, or 128 plus a signal's number."""
        extra["standalone_mode"] = False
        logging.captureWarnings(capture=True)
        warnings.filterwarnings("once", category=DeprecationWarning)
        log_uncaught(self.logger)
        try:
            status = super().main(args, prog_name, **extra) or Exit.OK
        except click.ClickException as error:
            error.show()
            status = Exit.BAD_INPUT
        except Stopped as stop:
            self.logger.warning("%s; a later run goes on from the last state", stop)
            leave(stop.status)
        except ConfigValidationError as error:
            self._say(*error.errors)
            status = Exit.BAD_INPUT
        except InputError as error:
            self._say(*error.lines)
            status = Exit.BAD_INPUT
        except (ReaderGoneError, OSError) as error:
            # What the SDK prints itself, such as a catalog, ends in the system's own error.
            if isinstance(error, OSError) and error.errno not in _LOST:
                raise
            self._say("the reader of the output is gone (see its log for why), or its disk is full")
            leave(Exit.FAILED)
        except self._expected as error:
            self._say(str(error) or type(error).__name__)
            leave(Exit.FAILED)  # pages that are still awaited no longer matter
        sys.exit(status)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Invoke the callback; `main` deals with what it raises."""
        return click.Command.invoke(self, ctx)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.logger.error("%s", " ".join(line.split()))
