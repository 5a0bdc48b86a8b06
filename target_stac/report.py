"""Report at the end of a run what changed, where the export is, and what it lacks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from pixxel_singer.filesystem import strip_userinfo
from pixxel_singer.log_setup import align_columns, is_interactive
from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_stac.records import Json

_HEADER = ("export", "new", "changed", "removed", "in all")
_ALIGNMENT = "<>>>>"


class Changes(NamedTuple):
    """How many objects of a kind the run has added, changed and removed, and how many there are."""

    new: int
    changed: int
    removed: int
    total: int


def compare_collections(previous: dict[str, Json], current: dict[str, Json]) -> Changes:
    """Return how collections differ from those of the previous export, both by id."""
    changed = sum(
        name in previous and document != previous[name] for name, document in current.items()
    )
    new, removed = (current.keys() - previous.keys()), (previous.keys() - current.keys())
    return Changes(len(new), changed, len(removed), len(current))


def locate_export(output: str) -> str:
    """Return the URL of an export without its user and password, or the path of its folder."""
    if "://" in output:
        return strip_userinfo(output).rstrip("/")
    return str(Path(output).expanduser().absolute())


def format_report(
    *,
    items: Changes,
    collections: Changes,
    output: str,
    map_file: str | None,
    left_out: Sequence[str],
) -> list[str]:
    """Return the lines of the report.

    Args:
        items: Changes of the items.
        collections: Changes of the collections.
        output: The setting.
        map_file: Path of the map in the export, if there is one.
        left_out: What the export lacks, or holds only in part.
    """
    counted = (("items", items), ("collections", collections))
    rows = [_HEADER, *((name, *(f"{n:,}" for n in changes)) for name, changes in counted)]
    place = locate_export(output)
    facts = [("URL" if "://" in output else "folder", place)]
    if map_file:
        facts.append(("map", f"{place}/{map_file}"))
    facts += [("left out", text) for text in left_out]
    return [*align_columns(rows, _ALIGNMENT), *align_columns(facts, "<<")]


def show_report(lines: Sequence[str], logger: logging.Logger) -> None:
    """Log the report; print it where a person watches, as the log then shows warnings only."""
    for line in lines:
        if is_interactive() and not logger.isEnabledFor(logging.INFO):
            click.echo(escape_controls(line), err=True)
        else:
            logger.info("%s", line)
