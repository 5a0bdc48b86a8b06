"""The command line: `pixxel-backfill plan`, `run`, `run-shard`, `merge`, `catch-up`, `status`."""

from __future__ import annotations

import json
import logging
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click
from obstore.exceptions import BaseError
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

from pixxel_api.errors import PixxelError
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.planning import AUTO, MONTH, SHARD_ROWS, make_plan
from pixxel_backfill.progress import RunProgress
from pixxel_backfill.shard_run import ShardFailed, run_shard
from pixxel_backfill.status import format_status, read_status
from pixxel_singer.api_settings import MAX_RATE
from pixxel_singer.cli import ErrorLines, format_help_end
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.filesystem import describe_error
from pixxel_singer.log_setup import join_names, log_result
from pixxel_singer.redaction import select_public
from tap_pixxel.tap import TapPixxel

if TYPE_CHECKING:
    from singer_sdk.plugin_base import _ConfigInput

    from pixxel_backfill.plan import Plan, Shard

Command = TypeVar("Command", bound=Callable[..., Any])

NAME = "pixxel-backfill"
LOCAL, DASK = "local", "dask"
_RESUME = "with the same command"

logger = logging.getLogger(NAME)


class FolderFailed(Exception):
    """The folder of the backfill cannot be read or written."""


class BackfillGroup(ErrorLines, click.Group):
    """The command, which logs errors as lines."""

    logger = logger
    expected = (PixxelError, ShardFailed, FolderFailed, SingerSDKError)
    resume_hint = f"run again {_RESUME}; what is done stays done"

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Invoke the command, and describe errors of the folder's store.

        Raises:
            FolderFailed: The folder cannot be read or written.
        """
        try:
            return super().invoke(ctx)
        except BaseError as error:
            raise FolderFailed(
                f"cannot use the folder of the plan: {describe_error(error)}"
            ) from None


plan_option = click.option(
    "--plan",
    "folder",
    default=".",
    metavar="FOLDER-OR-URL",
    help="Folder of the plan, local or in an object store; by default the working directory.",
)
"""The option that names the folder of the plan."""
config_option = click.option(
    "--config",
    multiple=True,
    default=("ENV",),
    metavar="FILE",
    callback=TapPixxel.cb_config,
    help="Settings of tap-pixxel: a JSON file, or ENV for the environment and .env; repeatable. By "
    "default ENV.",
)
"""The option that names the sources of the tap's settings, as the tap's own."""


def make_rate_option(whose: str) -> Callable[[Command], Command]:
    """Return the option that limits the rate of requests.

    Args:
        whose: Whose rate it is.
    """
    return click.option(
        "--requests-per-second",
        type=click.FloatRange(0, MAX_RATE, min_open=True),
        metavar="R",
        help=f"Maximum rate of {whose}; by default that of the plan's settings.",
    )


@click.group(
    cls=BackfillGroup,
    epilog=format_help_end(
        "backfill",
        f"{NAME} plan --window month --out backfill && {NAME} run --plan backfill",
        resume=_RESUME,
        pages="docs/how-to/backfill.md",
    ),
)
def main() -> None:
    """Read a large archive in shards, on several processes or machines, and merge the results."""


@main.command()
@click.option(
    "--window",
    type=click.Choice((MONTH, AUTO)),
    required=True,
    help="A shard for each calendar month, or for about --shard-rows items.",
)
@click.option(
    "--out",
    "folder",
    default=".",
    metavar="FOLDER-OR-URL",
    help="Folder for the plan, local or in an object store; by default the working directory.",
)
@click.option(
    "--loader",
    metavar="COMMAND",
    help="Command of a Singer target that each shard is piped into, not run by a shell; by default "
    "GeoParquet is written.",
)
@click.option(
    "--shard-rows",
    type=click.IntRange(1),
    metavar="N",
    help=f"Items of a shard with --window auto; by default {SHARD_ROWS:,}.",
)
@config_option
def plan(
    *, window: str, folder: str, loader: str | None, shard_rows: int | None, config: _ConfigInput
) -> None:
    """Divide the archive into shards, and write plan.json.

    The settings are those of tap-pixxel, such as collections, datetime and bbox. The plan holds
    them without the token.
    """
    if shard_rows is not None and window != AUTO:
        raise InputError(f"--shard-rows: needs --window {AUTO}")
    command = parse_loader(loader)
    target = BackfillFolder(folder, create=True)
    target.check_no_plan()
    tap = TapPixxel(config=config.config, parse_env_config=config.parse_env)
    try:
        made = make_plan(tap, window=window, shard_rows=shard_rows or SHARD_ROWS, loader=command)
    finally:
        tap.client.close()
    target.create_plan(made)
    shards, collections = len(made.shards), len({each.collection for each in made.shards})
    click.echo(
        f"{shards} shard{'s' * (shards != 1)} of {collections} collection{'s' * (collections != 1)}"
    )


@main.command()
@plan_option
@click.option(
    "--engine",
    type=click.Choice((LOCAL, DASK)),
    default=LOCAL,
    show_default=True,
    help="Processes of this computer, or a Dask cluster.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Address of the scheduler of the Dask cluster; by default a cluster is started on this "
    "computer.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of shards at a time; by default the number of processors, or of the threads of "
    "the Dask cluster.",
)
@make_rate_option("all workers together")
@config_option
def run(
    *,
    folder: str,
    engine: str,
    scheduler: str | None,
    workers: int | None,
    requests_per_second: float | None,
    config: _ConfigInput,
) -> ExitCode:
    """Run all shards that are not done yet.

    A shard whose process was killed, or that has failed, is tried again, up to three times.
    """
    if scheduler is not None and engine != DASK:
        raise InputError(f"--scheduler: needs --engine {DASK}")
    source = BackfillFolder(folder)
    made = source.read_plan()
    settings = read_settings(made, config)
    attempts = source.list_attempts(made)
    shards = [each for each in made.shards if not attempts[each.id].is_done]
    with RunProgress(len(made.shards), len(made.shards) - len(shards)) as progress:
        run_shards = find_engine(engine, scheduler, progress)
        failures = run_shards(
            source, made, shards, settings,
            workers=workers,
            requests_per_second=requests_per_second or settings.get("requests_per_second"),
            report=progress,
            check=TapPixxel.stop.check,
        )  # fmt: skip
    if not failures:
        return ExitCode.OK
    log_failures(failures, len(made.shards))
    return ExitCode.INCOMPLETE


def log_failures(failures: dict[str, str], total: int) -> None:
    """Log why shards have failed, a line for each reason, and what to do.

    Args:
        failures: The reasons by the ids of the shards.
        total: Number of all shards.
    """
    shards: dict[str, list[str]] = {}
    for name, reason in failures.items():
        shards.setdefault(reason, []).append(name)
    for reason, names in shards.items():
        logger.error("%s: %s", join_names(names), reason)
    logger.error(
        "%d of %d shards failed%s; correct the cause that is logged above, and run again %s",
        len(failures),
        total,
        ", the others are done" if len(failures) < total else "",
        _RESUME,
    )


def find_engine(
    name: str, scheduler: str | None, progress: RunProgress
) -> Callable[..., dict[str, str]]:
    """Return the function that runs shards; only its packages are imported.

    Raises:
        InputError: Its packages are not installed.
    """
    if name == LOCAL:
        from pixxel_backfill.engines.local import run_local  # noqa: PLC0415

        return run_local
    try:
        from pixxel_backfill.engines.dask import run_dask  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            f"--engine {DASK}: {error}; install pixxel-singer[backfill,backfill-dask]"
        ) from None
    return partial(run_dask, scheduler=scheduler, announce=progress.announce_dashboard)


@main.command("run-shard")
@click.argument("identifier", metavar="ID")
@plan_option
@make_rate_option("this shard")
@config_option
def run_one_shard(
    identifier: str, *, folder: str, requests_per_second: float | None, config: _ConfigInput
) -> None:
    """Run one shard, as a task of an orchestrator.

    It runs in this process. A shard that is done is not run again. The command may be killed and
    repeated, and several may run the same shard at once.
    """
    source = BackfillFolder(folder)
    made = source.read_plan()
    shard = find_shard(made, identifier)
    settings = read_settings(made, config)
    done = source.read_done(shard)
    if done is not None:
        log_result(
            logger, f"{shard.id}: was done before, with {done.rows:,} items; nothing was read now"
        )
    with RunProgress(1, int(done is not None)) as progress:
        if done is not None:
            return
        run_shard(
            source, made, shard, settings,
            requests_per_second=requests_per_second,
            report=progress,
            check=TapPixxel.stop.check,
        )  # fmt: skip


@main.command()
@plan_option
@click.option("--catalog", metavar="FOLDER-OR-URL", help="Also write a static STAC catalog there.")
@click.option(
    "--partial", is_flag=True, help="Merge what is done; by default all shards must be done."
)
def merge(*, folder: str, catalog: str | None, partial: bool) -> ExitCode:
    """Make one dataset of all shards, and state.json for the tap.

    In the dataset each item occurs once. The command may be repeated, also after it was killed, and
    makes only what is missing or has changed. The items of a loader are merged by the loader.
    """
    source = BackfillFolder(folder)
    return merge_done(source, source.read_plan(), is_partial=partial, catalog=catalog)


@main.command("catch-up")
@plan_option
@make_rate_option("the catch-up")
@config_option
def catch_up(*, folder: str, requests_per_second: float | None, config: _ConfigInput) -> ExitCode:
    """Read what has changed since the shards were read, and merge it.

    A loader receives it instead. state.json is replaced in the end.
    """
    from pixxel_backfill.catch_up import run_catch_up  # noqa: PLC0415 - only this command

    source = BackfillFolder(folder)
    made = source.read_plan()
    settings = read_settings(made, config)
    with RunProgress(1, 0) as progress:
        run_catch_up(
            source, made, settings,
            requests_per_second=requests_per_second,
            report=progress,
            check=TapPixxel.stop.check,
        )  # fmt: skip
    return merge_done(source, made)


@main.command()
@plan_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, with all shards.")
def status(*, folder: str, as_json: bool) -> None:
    """Show which shards are done, started, failed and open."""
    source = BackfillFolder(folder)
    found = read_status(source, source.read_plan())
    click.echo(format_status(found, as_json=as_json))


def merge_done(
    folder: BackfillFolder, plan: Plan, *, is_partial: bool = False, catalog: str | None = None
) -> ExitCode:
    """Merge what is done, and write the state.

    Returns:
        INCOMPLETE if the result lacks items or values, else OK.

    Raises:
        FolderFailed: A file cannot be written.
        InputError: Shards are not done.
    """
    from pixxel_backfill.merge.run import merge_shards  # noqa: PLC0415 - pyarrow takes 0.3 s
    from target_stac.storage import StorageError  # noqa: PLC0415

    try:
        report = merge_shards(
            folder, plan, is_partial=is_partial, catalog=catalog, check=TapPixxel.stop.check
        )
    except (OSError, StorageError) as error:
        raise FolderFailed(
            str(error) if isinstance(error, StorageError) else describe_error(error)
        ) from None
    return ExitCode.OK if report.is_whole else ExitCode.INCOMPLETE


def parse_loader(text: str | None) -> list[str] | None:
    """Return the command of a loader in its parts.

    Raises:
        InputError: It is none.
    """
    if text is None:
        return None
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise InputError(f"--loader: is no command: {error}") from None
    if not parts:
        raise InputError("--loader: is empty; name the command of a Singer target")
    if shutil.which(parts[0]) is None:
        raise InputError(
            f"--loader: there is no program '{parts[0]}'; install it or name its path (the command "
            "is not run by a shell)"
        )
    return parts


def find_shard(plan: Plan, identifier: str) -> Shard:
    """Return a shard of a plan.

    Raises:
        InputError: The plan has no such shard.
    """
    shard = plan.find_shard(identifier)
    if shard is None:
        raise InputError(
            f"the plan has no shard '{identifier}'; {NAME} status --json lists the ids"
        )
    return shard


def read_settings(plan: Plan, config: _ConfigInput) -> dict[str, Any]:
    """Return the tap's settings: those of the plan, and the secrets from their sources.

    Other settings of the sources that differ are named in a warning.

    Raises:
        ConfigValidationError: The token is missing.
    """
    source = TapPixxel(
        config=config.config, parse_env_config=config.parse_env, validate_config=False
    )
    public = select_public(TapPixxel.config_jsonschema, source.config)
    warn_about_ignored(plan, public)
    secrets = {name: source.config[name] for name in source.config.keys() - public.keys()}
    return dict(TapPixxel(config=plan.settings | secrets).config)


def warn_about_ignored(plan: Plan, given: dict[str, Any]) -> None:
    """Log which settings differ from those of the plan, unless they have their default."""
    rules = TapPixxel.config_jsonschema["properties"]
    names = [
        name
        for name, value in given.items()
        if value != rules[name].get("default")
        and (read_area(value) if name == "intersects" else value) != plan.settings.get(name)
    ]
    if names:
        logger.warning(
            "settings that differ from those of the plan are ignored: %s; the plan's are used%s; "
            "make a new plan for others",
            ", ".join(sorted(names)),
            f" (api_url: {plan.settings.get('api_url')})" if "api_url" in names else "",
        )


def read_area(text: str) -> str:
    """Return the setting `intersects` as a plan has it, as it is if it cannot be read."""
    try:
        tap = TapPixxel(config={"intersects": text, "api_token": "-"})
    except ConfigValidationError:
        return text
    return json.dumps(tap.settings.intersects)
