"""The table of endpoints: every stream and sink as it is, and every endpoint of the contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.incremental import ServerFilteredStream
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import PING_PATH, TapPixxel
from target_pixxel_store.sinks import SINKS_BY_STREAM
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.project.test_repeats import in_meltano, table

if TYPE_CHECKING:
    from tap_pixxel.stream_types.base import PixxelStream

HEADER = "| endpoint | stream or sink | key | replication | filters |"
METHODS = ("delete", "get", "patch", "post", "put")


class Line(NamedTuple):
    """A line of the table."""

    endpoint: str
    covered: str
    key: str
    replication: str
    filters: str


LINES = [Line(*cells) for cells in table("docs/endpoints.md", HEADER)]
COVERED = re.compile(r"(stream|sink) `(\w+)`.*|`--test`, .+|not covered: .{10,}")


def unnamed(endpoint: str) -> str:
    """An endpoint without the names of what stands in its path: the contract has several."""
    return re.sub(r"\{\w+\}", "{}", endpoint)


def expected_of(stream: PixxelStream) -> Line:
    filters = [f"`{name}`" for name in stream.filters()]
    if stream.name == "satellite_images":
        filters.insert(0, "`satellites`")
    if isinstance(stream, ServerFilteredStream):
        filters.append("bookmark")
    above = ""
    if isinstance(stream, ChildStream):
        above = f", for each of `{stream.parent.__dict__['name']}`"
    method = "POST" if stream.path.endswith("/search") else "GET"
    return Line(
        f"{method} {stream.path}",
        f"stream `{stream.name}`{above}",
        ", ".join(f"`{key}`" for key in stream.primary_keys),
        f"`{stream.replication_key}`" if stream.replication_key else "full table",
        ", ".join(filters),
    )


@pytest.mark.parametrize("kind", STREAMS)
def test_the_table_tells_of_a_stream_what_it_is(kind: type[PixxelStream]) -> None:
    config = {"api_token": "token-1", "datetime": "2025", "bbox": [0, 0, 1, 1]}
    tap = TapPixxel(config=config)
    expected = expected_of(kind(tap, tap))
    [line] = [each for each in LINES if each.covered == expected.covered]
    assert line == expected


def test_the_table_names_each_stream_and_sink_that_there_is() -> None:
    named: dict[str, set[str]] = {"stream": set(), "sink": set()}
    for line in LINES:
        found = COVERED.fullmatch(line.covered)
        assert found, line.covered
        if found[1]:
            named[found[1]].add(found[2])
    assert named["stream"] == {stream.__dict__["name"] for stream in STREAMS}
    assert named["sink"] == SINKS_BY_STREAM.keys() - {"catalogs", "order_items"}
    assert [each.covered[:8] for each in LINES if each.endpoint == f"GET {PING_PATH}"] == [
        "`--test`"
    ]


def test_every_endpoint_of_the_contract_has_its_line_and_none_is_made_up() -> None:
    there = {
        f"{method.upper()} {unnamed(path)}"
        for path, operations in load_contract()["paths"].items()
        for method in operations
        if method in METHODS
    }
    assert {unnamed(line.endpoint) for line in LINES} == there
    assert len(there) > 50


def test_the_lines_are_in_order_so_that_one_is_found() -> None:
    paths = [line.endpoint.partition(" ")[2] for line in LINES]
    assert paths == sorted(paths)


UNSELECTED = {each.__dict__["name"] for each in STREAMS if not each.selected_by_default}


def test_the_streams_that_are_not_selected_by_default_are_told() -> None:
    text = (Path(__file__).parents[2] / "docs/endpoints.md").read_text().split("\n\n")[-1]
    assert set(re.findall(r"`(\w+)`", text)) == UNSELECTED


def test_our_meltano_project_selects_what_is_selected_by_default() -> None:
    """Meltano by itself selects everything, `selected-by-default` or not."""
    everything, *without = in_meltano("tap-pixxel")["select"]
    assert everything == "*.*"
    assert without == [f"!{name}.*" for name in sorted(UNSELECTED)]


def test_the_guide_shows_a_stream_as_it_is_and_it_is_short() -> None:
    """An endpoint costs less than 25 lines in one module."""
    project = Path(__file__).parents[2]
    guide = (project / "docs/contributing.md").read_text()
    [shown] = re.findall(r"```python\n(.+?)```", guide, flags=re.DOTALL)
    name = re.match(r"class (\w+)", shown)
    assert name
    [module] = {each.__module__ for each in STREAMS if each.__name__ == name[1]}
    assert f"\n\n\n{shown}\n\n" in (project / f"{module.replace('.', '/')}.py").read_text()
    assert shown.count("\n") < 25
