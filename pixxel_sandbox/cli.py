"""The command line: ``pixxel-sandbox serve`` and ``pixxel-sandbox run``."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Any, Final, TypeVar

import click

from pixxel_sandbox.habits import SWITCHES, Habits
from pixxel_sandbox.server import TOKEN, Sandbox

Command = TypeVar("Command", bound=Callable[..., Any])

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
DIED_OF: Final = 128
PORT: Final = 8742


def _option(switch: Any) -> Callable[[Command], Command]:  # noqa: ANN401 - dataclasses.Field[Any]
    """Makes the option of one habit from its declaration."""
    name = "--" + switch.name.replace("_", "-")
    says, low, high = (switch.metadata.get(key) for key in ("help", "min", "max"))
    if isinstance(switch.default, frozenset):
        return click.option(name, multiple=True, help=says)
    if isinstance(switch.default, bool):
        return click.option(name, is_flag=True, help=says)
    kind = click.IntRange if isinstance(switch.default, int) else click.FloatRange
    return click.option(name, type=kind(low, high), default=switch.default, help=says)


def _sandbox_options(command: Command) -> Command:
    """Adds the options that say what is served and how."""
    options = [
        click.option("--seed", default=1, show_default=True, help="Decides all of the data."),
        click.option("--items", type=click.IntRange(1), default=200, show_default=True,
                     help="Archive items; the rest is sized from it."),
        click.option("--token", default=TOKEN, show_default=True, help="The accepted token."),
        *map(_option, SWITCHES),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _sandbox(*, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    names = {switch.name for switch in SWITCHES}
    try:
        habits = Habits(**{name: options.pop(name) for name in names})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Sandbox(host=host, port=port, habits=habits, **options)


@click.group()
def main() -> None:
    """A local Pixxel API with a seeded workspace."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="Port to listen on; 0 takes a free one.")  # fmt: skip
@_sandbox_options
def serve(**options: Any) -> None:
    """Serve until interrupted."""
    stopped = threading.Event()
    for number in STOPPING:
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(_sandbox(**options))
        except OSError as error:
            where = f"{options['host']}:{options['port']}"
            raise click.ClickException(f"cannot listen on {where}: {_reason(error)}") from error
        click.echo(f"{sandbox.url} serves a Pixxel API; send Authorization: Bearer {sandbox.token}")
        stopped.wait()


def _reason(error: OSError) -> str:
    """Words an error shortly; a resolver's numbers are not the system's, but it has words."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)


@main.command()
@_sandbox_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: Sequence[str], **options: Any) -> None:
    """Run COMMAND against a sandbox, and exit as it does.

    Put -- before COMMAND. It finds the sandbox in TAP_PIXXEL_API_URL, TAP_PIXXEL_API_TOKEN,
    TARGET_PIXXEL_STORE_API_URL, TARGET_PIXXEL_STORE_API_TOKEN and PIXXEL_SANDBOX_URL.
    """
    with _sandbox(**options) as sandbox:
        status = _child(command, {**os.environ, **_environment(sandbox)})
    sys.exit(status)


def _environment(sandbox: Sandbox) -> dict[str, str]:
    plugins = ("TAP_PIXXEL", "TARGET_PIXXEL_STORE")
    return {
        "PIXXEL_SANDBOX_URL": sandbox.url,
        **{f"{plugin}_API_URL": sandbox.url for plugin in plugins},
        **{f"{plugin}_API_TOKEN": sandbox.token for plugin in plugins},
    }


def _child(command: Sequence[str], environment: dict[str, str]) -> int:
    """Runs a command, hands signals on to it, and returns its status as a shell would."""
    early: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif not (number == signal.SIGINT and _in_foreground()):
            child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in STOPPING}
    try:
        child = subprocess.Popen(command, env=environment)  # noqa: S603 - what the user asked to run
        for number in early:
            child.send_signal(number)
        status = child.wait()
    except FileNotFoundError:
        click.echo(f"{command[0]}: command not found", err=True)
        return NOT_FOUND
    except PermissionError:
        click.echo(f"{command[0]}: cannot be executed", err=True)
        return NOT_EXECUTABLE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return DIED_OF - status if status < 0 else status


def _in_foreground() -> bool:
    """Tells whether a terminal's interrupt has reached the command already."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else -1) == os.getpgrp()
    except OSError:
        return False
