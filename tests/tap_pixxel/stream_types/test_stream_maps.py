"""Stream maps may name any column, and an error inside one names its stream, map and record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import MapExpressionError

from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.commands import parse_errors, run_tap
from tests.tap_pixxel.syncs import MessageCollector, make_catalog, make_config, sync

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import Sandbox
    from tests.tap_pixxel.syncs import Server

ORDERS = b'{"orders": [{"id": "a", "total_amount": 0, "status": "PAID"}, {"id": "b"}]}'


def find_map_error(server: Server, stream: str, maps: dict[str, Any]) -> str:
    config = make_config(server, stream_maps=maps)
    catalog = make_catalog(config, stream)
    tap = TapPixxel(config=config, catalog=catalog, message_writer=MessageCollector())
    with pytest.raises(MapExpressionError) as caught:
        tap.run()
    return str(caught.value)


def test_map_names_columns_that_the_rows_lack() -> None:
    maps = {"orders": {"__filter__": "paid_at is None", "flag": "str(extra)", "paid_at": "self"}}
    with ScriptedServer(answer(body=ORDERS)) as server:
        records = sync(server, "orders", stream_maps=maps).records["orders"]
    assert [(each["id"], each["flag"], each["paid_at"]) for each in records] == [
        ("a", "None", None),
        ("b", "None", None),
    ]


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("no_such_column", "NameNotDefined: 'no_such_column' is not defined"),
        ("1 / total_amount", "ZeroDivisionError: division by zero"),
        ("status['x']", "TypeError: string indices must be integers"),
        ("int(status)", "ValueError: invalid literal for int()"),
        ("json.loads(id)", "JSONDecodeError: Expecting value"),
    ],
)
def test_error_in_map_names_stream_expression_and_record(expression: str, cause: str) -> None:
    with ScriptedServer(answer(body=ORDERS)) as server:
        line = find_map_error(server, "orders", {"orders": {"ratio": expression}})
    expected = (
        "setting 'stream_maps': the map of stream 'orders' failed at the record with id 'a', in "
        f"the expression '{expression}': {cause}"
    )
    assert line.startswith(expected)


def test_error_in_map_is_one_line_of_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    result = run_tap(
        "--config=ENV",
        cwd=tmp_path,
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
        TAP_PIXXEL_STREAM_MAPS='{"orders": {"n": "int(status)"}}',
    )
    assert result.returncode == 1
    [line] = parse_errors(result)
    assert "the map of stream 'orders' failed at the record with id '" in line
    assert "in the expression 'int(status)': ValueError" in line
