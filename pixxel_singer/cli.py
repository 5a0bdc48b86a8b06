"""Command line of a plugin: one line per error, and an exit status by the kind of error."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.plugin_base import SingerCommand

from pixxel_singer.errors import InputError, OutputClosedError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.log_setup import log_uncaught_exceptions
from pixxel_singer.process import exit_now
from pixxel_singer.signals import StopRequested

if TYPE_CHECKING:
    from collections.abc import Sequence

_BROKEN_PIPE_ERRNOS = frozenset({errno.EPIPE, errno.ENOSPC})


_EXIT_STATUSES = {
    ExitCode.OK: "everything is done",
    ExitCode.FAILED: "the run ended early; run again {resume}",
    ExitCode.BAD_INPUT: "a setting, an option or the input is wrong; correct it",
    ExitCode.INCOMPLETE: "a part failed, the rest is done; see the last log lines",
    128 + signal.SIGTERM: "a signal stopped the run (130: Ctrl-C); run again {resume}",
}


def format_help_end(
    command: str,
    example: str,
    *,
    resume: str = "with the last STATE",
    pages: str = "docs/quickstart.md",
) -> str:
    """Return the end of a command's help: an example, the exit statuses, the documentation.

    Args:
        command: Name of its page in `docs/reference/`.
        example: A command line that runs in a shell of the sandbox.
        resume: How a run that ended early is run again.
        pages: Other pages.
    """
    statuses = "\n".join(
        f"  {status:<5}{text.format(resume=resume)}" for status, text in _EXIT_STATUSES.items()
    )
    return (
        f"\b\nExample, in a shell of the sandbox (pixxel-sandbox run -- bash):\n  {example}\n\n"
        f"\b\nExit statuses:\n{statuses}\n\n"
        "\b\nDocumentation, in the repository of pixxel-singer:\n"
        f"  {pages}, docs/reference/{command}.md"
    )


class ErrorLines(click.Command):
    """Part of a command that logs errors as lines, without tracebacks.

    Attributes:
        logger: Logs the errors.
        expected: Errors that are logged without a traceback.
        resume_hint: What the log states when a signal has stopped the command.
    """

    logger: logging.Logger
    expected: tuple[type[Exception], ...] = ()
    resume_hint = "the next run resumes from the last STATE"

    def main(  # type: ignore[override]  # click has overloads for standalone modes
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> None:
        """Run the command and exit with an `ExitCode`, or with 128 plus a signal's number."""
        extra["standalone_mode"] = False
        logging.captureWarnings(capture=True)
        warnings.filterwarnings("once", category=DeprecationWarning)
        log_uncaught_exceptions(self.logger)
        try:
            if sys.stdout is None:
                raise OutputClosedError  # noqa: TRY301 - handled as if it closes later
            status = super().main(args, prog_name, **extra) or ExitCode.OK
        except click.ClickException as error:
            error.show()
            status = ExitCode.BAD_INPUT
        except StopRequested as stop:
            self.logger.warning("%s; %s", stop, self.resume_hint)
            exit_now(stop.status)
        except ConfigValidationError as error:
            self._log_errors(*error.errors)
            status = ExitCode.BAD_INPUT
        except InputError as error:
            self._log_errors(*error.lines)
            status = ExitCode.BAD_INPUT
        except (OutputClosedError, OSError) as error:
            self._log_errors(_describe_os_error(error))
            exit_now(ExitCode.FAILED)
        except self.expected as error:
            self._log_errors(str(error) or type(error).__name__)
            exit_now(ExitCode.FAILED)  # without waiting for pending page reads
        sys.exit(status)

    def _log_errors(self, *lines: str) -> None:
        for line in lines:
            self.logger.error("%s", " ".join(line.split()))


class PluginCommand(ErrorLines, SingerCommand):
    """The command of a Singer plugin.

    Args:
        args: As for `SingerCommand`.
        expected: Errors that are logged without a traceback.
        kwargs: As for `SingerCommand`.
    """

    def __init__(self, *args: Any, expected: tuple[type[Exception], ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = (*expected, SingerSDKError)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Invoke the callback; `main` handles its errors."""
        return click.Command.invoke(self, ctx)


def _describe_os_error(error: OutputClosedError | OSError) -> str:
    """Describe the errors that the run's environment causes; raise any other one."""
    # Output of the SDK itself, such as a catalog, raises OSError.
    if isinstance(error, OutputClosedError) or error.errno in _BROKEN_PIPE_ERRNOS:
        return "cannot write to stdout (closed, broken pipe or disk full); see the target's log"
    if isinstance(error, FileNotFoundError) and not _has_working_directory():
        return "the working directory was deleted; start in one that exists"
    raise error


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is the same
    except FileNotFoundError:
        return False
    return True
