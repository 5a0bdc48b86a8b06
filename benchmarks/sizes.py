"""What the dependencies of the packages take on disk, each alone and with all that it brings."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.table import Table

from benchmarks.printing import console

PROJECT = "pixxel-singer"
EXTRAS = ("", "stac", "store", "sandbox")
MEGABYTE = 10**6


@dataclass(frozen=True)
class Dependency:
    """What the project asks for itself.

    Attributes:
        extras: Of the project, that ask for it; empty for all of its users.
        brings: Names of the distributions that it is installed with, its own among them.
    """

    name: str
    extras: tuple[str, ...]
    brings: frozenset[str]


def wanted(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    """List what a distribution asks for, here and with these extras."""
    found = (Requirement(text) for text in metadata.requires(name) or ())
    return [
        each
        for each in found
        if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def brought(requirement: Requirement) -> frozenset[str]:
    """Name all that comes with a requirement, itself among it."""
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [requirement]
    while pending:
        each = pending.pop()
        key = canonicalize_name(each.name), frozenset(each.extras)
        if key not in seen:
            seen.add(key)
            pending += wanted(each.name, ("", *each.extras))
    return frozenset(name for name, _ in seen)


def size(names: frozenset[str]) -> float:
    """Give the MB on disk of distributions, without what Python compiles."""
    files = (file for name in names for file in metadata.files(name) or ())
    paths = {Path(str(file.locate())) for file in files if "__pycache__" not in file.parts}
    return sum(path.stat().st_size for path in paths if path.is_file()) / MEGABYTE


def dependencies() -> list[Dependency]:
    """List what the project asks for, in the order in which it does."""
    asked: dict[str, tuple[Requirement, list[str]]] = {}
    for extra in EXTRAS:
        for requirement in wanted(PROJECT, (extra,)):
            asked.setdefault(requirement.name, (requirement, []))[1].append(extra)
    return [
        Dependency(name, tuple(filter(None, extras)) if "" not in extras else (), brought(each))
        for name, (each, extras) in asked.items()
    ]


def main() -> None:
    """Print the table."""
    table = Table("package", "extra", "packages", "MB", "MB with them", "MB only here")
    every = dependencies()
    for each in every:
        others = frozenset().union(*(other.brings for other in every if other is not each))
        table.add_row(
            each.name,
            ", ".join(each.extras),
            str(len(each.brings)),
            f"{size(frozenset({each.name})):.1f}",
            f"{size(each.brings):.1f}",
            f"{size(each.brings - others):.1f}",
        )
    for extra in EXTRAS:
        names = frozenset().union(
            *(each.brings for each in every if not each.extras or extra in each.extras)
        )
        table.add_row(PROJECT, extra, str(len(names)), "", f"{size(names):.1f}", "")
    console().print(table)


if __name__ == "__main__":
    main()
