"""Measure the size on disk of each dependency, alone and with its own dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.table import Table

from benchmarks.console import make_console

PROJECT = "pixxel-singer"
EXTRAS = ("", "stac", "store", "sandbox")
MEGABYTE = 10**6


@dataclass(frozen=True)
class Dependency:
    """Direct dependency of the project.

    Attributes:
        name: Name of the distribution.
        extras: Extras of the project that require it; empty if the project itself does.
        distributions: Names of all distributions that it installs, including its own.
    """

    name: str
    extras: tuple[str, ...]
    distributions: frozenset[str]


def list_requirements(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    """Return the requirements of a distribution on this platform, with these extras."""
    requirements = (Requirement(text) for text in metadata.requires(name) or ())
    return [
        each
        for each in requirements
        if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def resolve_distributions(requirement: Requirement) -> frozenset[str]:
    """Return the names of all distributions that a requirement installs, including its own."""
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [requirement]
    while pending:
        each = pending.pop()
        key = canonicalize_name(each.name), frozenset(each.extras)
        if key not in seen:
            seen.add(key)
            pending += list_requirements(each.name, ("", *each.extras))
    return frozenset(name for name, _ in seen)


def measure_megabytes(names: frozenset[str]) -> float:
    """Return the size of distributions in MB, without bytecode."""
    files = (file for name in names for file in metadata.files(name) or ())
    paths = {Path(str(file.locate())) for file in files if "__pycache__" not in file.parts}
    return sum(path.stat().st_size for path in paths if path.is_file()) / MEGABYTE


def list_dependencies() -> list[Dependency]:
    """Return the direct dependencies in the order of their declaration."""
    declared: dict[str, tuple[Requirement, list[str]]] = {}
    for extra in EXTRAS:
        for requirement in list_requirements(PROJECT, (extra,)):
            declared.setdefault(requirement.name, (requirement, []))[1].append(extra)
    return [
        Dependency(
            name,
            tuple(filter(None, extras)) if "" not in extras else (),
            resolve_distributions(each),
        )
        for name, (each, extras) in declared.items()
    ]


def main() -> None:
    """Print the table."""
    table = Table("package", "extra", "packages", "MB", "MB with dependencies", "MB exclusive")
    dependencies = list_dependencies()
    for each in dependencies:
        others = frozenset().union(
            *(other.distributions for other in dependencies if other is not each)
        )
        table.add_row(
            each.name,
            ", ".join(each.extras),
            str(len(each.distributions)),
            f"{measure_megabytes(frozenset({each.name})):.1f}",
            f"{measure_megabytes(each.distributions):.1f}",
            f"{measure_megabytes(each.distributions - others):.1f}",
        )
    for extra in EXTRAS:
        names = frozenset().union(
            *(
                each.distributions
                for each in dependencies
                if not each.extras or extra in each.extras
            )
        )
        table.add_row(PROJECT, extra, str(len(names)), "", f"{measure_megabytes(names):.1f}", "")
    make_console().print(table)


if __name__ == "__main__":
    main()
