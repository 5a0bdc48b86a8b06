"""The page of endpoints describes every stream and sink, and every endpoint of the contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pixxel_sandbox.app import READ_ENDPOINTS, WRITE_ENDPOINTS
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.incremental import ServerFilteredStream
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import PING_PATH, TapPixxel
from target_pixxel_store.sinks import SINKS_BY_STREAM
from tests.contract.requests import drop_parameter_names
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.project.test_consistency import meltano_plugin, read_table

if TYPE_CHECKING:
    from tap_pixxel.stream_types.base import PixxelStream

HEADER = "| endpoint | stream or sink | key | replication | filters |"
METHODS = ("delete", "get", "patch", "post", "put")


class EndpointRow(NamedTuple):
    """A row of the table."""

    endpoint: str
    covered_by: str
    key: str
    replication: str
    filters: str


ROWS = [EndpointRow(*cells) for cells in read_table("docs/reference/endpoints.md", HEADER)]
COVERED_BY = re.compile(r"(stream|sink) `(\w+)`.*|`--test`, .+|not covered: .{10,}")


def expected_row(stream: PixxelStream) -> EndpointRow:
    filters = [f"`{name}`" for name in stream.filters()]
    if stream.name == "satellite_images":
        filters.insert(0, "`satellites`")
    if isinstance(stream, ServerFilteredStream):
        filters.append("bookmark")
    parent = ""
    if isinstance(stream, ChildStream):
        parent = f", for each of `{stream.parent.__dict__['name']}`"
    method = "POST" if stream.path.endswith("/search") else "GET"
    return EndpointRow(
        f"{method} {stream.path}",
        f"stream `{stream.name}`{parent}",
        ", ".join(f"`{key}`" for key in stream.primary_keys),
        f"`{stream.replication_key}`" if stream.replication_key else "full table",
        ", ".join(filters),
    )


@pytest.mark.parametrize("kind", STREAMS)
def test_endpoint_row_matches_stream(kind: type[PixxelStream]) -> None:
    config = {"api_token": "token-1", "datetime": "2025", "bbox": [0, 0, 1, 1]}
    tap = TapPixxel(config=config)
    expected = expected_row(kind(tap, tap))
    [row] = [each for each in ROWS if each.covered_by == expected.covered_by]
    assert row == expected


def test_endpoints_table_lists_each_stream_and_sink() -> None:
    named: dict[str, set[str]] = {"stream": set(), "sink": set()}
    for row in ROWS:
        found = COVERED_BY.fullmatch(row.covered_by)
        assert found, row.covered_by
        if found[1]:
            named[found[1]].add(found[2])
    assert named["stream"] == {stream.__dict__["name"] for stream in STREAMS}
    assert named["sink"] == SINKS_BY_STREAM.keys() - {"catalogs", "order_items"}
    assert [each.covered_by[:8] for each in ROWS if each.endpoint == f"GET {PING_PATH}"] == [
        "`--test`"
    ]


def test_endpoints_table_lists_exactly_the_endpoints_of_contract() -> None:
    expected = {
        f"{method.upper()} {drop_parameter_names(path)}"
        for path, operations in load_contract()["paths"].items()
        for method in operations
        if method in METHODS
    }
    assert {drop_parameter_names(row.endpoint) for row in ROWS} == expected
    assert len(expected) > 50


def test_sandbox_has_each_endpoint_that_a_stream_or_sink_uses() -> None:
    used = {row.endpoint for row in ROWS if not row.covered_by.startswith("not covered")}
    served = {f"{method} {path}" for method, path, *_ in (*READ_ENDPOINTS, *WRITE_ENDPOINTS)}
    assert set(map(drop_parameter_names, used)) <= set(map(drop_parameter_names, served))


def test_endpoints_table_is_sorted_by_path() -> None:
    paths = [row.endpoint.partition(" ")[2] for row in ROWS]
    assert paths == sorted(paths)


UNSELECTED = {each.__dict__["name"] for each in STREAMS if not each.selected_by_default}


def test_endpoints_page_lists_streams_not_selected_by_default() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/endpoints.md").read_text().split("\n\n")[-1]
    assert set(re.findall(r"`(\w+)`", text)) == UNSELECTED


def test_meltano_select_matches_streams_selected_by_default() -> None:
    """Meltano ignores `selected-by-default` and selects all streams."""
    everything, *excluded = meltano_plugin("tap-pixxel")["select"]
    assert everything == "*.*"
    assert excluded == [f"!{name}.*" for name in sorted(UNSELECTED)]


def test_contributing_guide_quotes_stream_of_less_than_25_lines() -> None:
    project = Path(__file__).parents[2]
    guide = (project / "docs/contributing.md").read_text()
    [shown] = re.findall(r"```python\n(.+?)```", guide, flags=re.DOTALL)
    name = re.match(r"class (\w+)", shown)
    assert name
    [module] = {each.__module__ for each in STREAMS if each.__name__ == name[1]}
    assert f"\n\n\n{shown}\n\n" in (project / f"{module.replace('.', '/')}.py").read_text()
    assert shown.count("\n") < 25
