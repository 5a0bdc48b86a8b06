"""`make docs-tables`: write the tables that repeat the code into the pages of the documentation.

A generated table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.behavior import BEHAVIOR_FIELDS
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.deliveries.plan import format_rules
from target_pixxel_store.purchases.plan import format_rules as format_order_rules
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_pixxel.stream_types.base import PixxelStream

DOCS = Path(__file__).parents[1] / "docs"
PLUGINS: dict[str, Any] = {each.name: each for each in (TapPixxel, TargetStac, TargetPixxelStore)}
_SDK_SETTINGS = {"stream_maps", "stream_map_config", "faker_config"}
_TABLE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_TYPES = {"date-time": "timestamp", "date": "date"}


def declared_settings(plugin: str) -> dict[str, Any]:
    """Return the schemas of a plugin's own settings, without those that the SDK adds."""
    return {
        name: rule
        for name, rule in PLUGINS[plugin].config_jsonschema["properties"].items()
        if name not in _SDK_SETTINGS and not name.startswith("flattening")
    }


def format_default(rule: Mapping[str, Any]) -> str:
    """Return the default of a setting as it is written in an environment variable."""
    default = rule.get("default", "")
    return json.dumps(default) if isinstance(default, bool | list | dict) else str(default)


def format_settings(plugin: str) -> str:
    """Return the table of a plugin's settings."""
    rows = []
    for name, rule in declared_settings(plugin).items():
        default = f"`{format_default(rule)}`" if "default" in rule else ""
        rows.append((f"`{name}`", _value_type(rule), default, rule["description"]))
    return _format_table(("setting", "type", "default", "description"), rows)


def format_streams() -> str:
    """Return the table of all streams."""
    rows = [
        (
            f"[`{stream.name}`](#{stream.name})",
            _describe(stream),
            ", ".join(f"`{key}`" for key in stream.primary_keys),
            f"incremental by `{stream.replication_key}`"
            if stream.replication_key
            else "full table",
            "yes" if stream.selected_by_default else "no",
        )
        for stream in make_streams()
    ]
    return _format_table(("stream", "contents", "key", "replication", "selected by default"), rows)


def format_columns() -> str:
    """Return a section with the table of columns for each stream."""
    sections = []
    for stream in make_streams():
        rows = [
            (f"`{name}`", _value_type(rule), rule.get("description", ""))
            for name, rule in stream.schema["properties"].items()
        ]
        table = _format_table(("column", "type", "description"), rows)
        sections.append(f"### {stream.name}\n\n{table}")
    return "\n\n".join(sections)


def format_switches() -> str:
    """Return the table of the sandbox's switches."""
    rows = []
    for spec in BEHAVIOR_FIELDS:
        name = f"`--{spec.name.replace('_', '-')}`"
        default = "" if isinstance(spec.default, bool | frozenset) else f"`{spec.default}`"
        rows.append((name, default, spec.metadata["help"]))
    return _format_table(("switch", "default", "description"), rows)


TABLES: dict[str, Callable[[], str]] = {
    **{f"settings of {name}": partial(format_settings, name) for name in PLUGINS},
    "streams": format_streams,
    "columns of streams": format_columns,
    "switches of the sandbox": format_switches,
    "decisions about a delivery": format_rules,
    "decisions about an order": format_order_rules,
}
"""The generated tables, by the name in their mark."""


def update_tables(page: str) -> str:
    """Return the text of a page with its generated tables as the code has them."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", page)


def list_pages() -> list[Path]:
    """Return the pages that have generated tables."""
    return sorted(path for path in DOCS.rglob("*.md") if _TABLE.search(path.read_text()))


def make_streams() -> list[PixxelStream]:
    """Return all streams of the tap."""
    config = {"api_token": "token", "datetime": "2025", "bbox": [0, 0, 1, 1]}
    tap = TapPixxel(config=config)
    return [stream(tap, tap) for stream in STREAMS]


def _describe(stream: PixxelStream) -> str:
    """Return what a stream contains: its docstring, after the endpoint."""
    first_line = (type(stream).__doc__ or "").partition("\n")[0]
    text = re.sub(r"^[A-Z]+ /\S+: ", "", first_line)
    return f"{text[0].upper()}{text[1:]}"


def _value_type(rule: Mapping[str, Any]) -> str:
    """Return the type of a value by its JSON Schema, without null."""
    names = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    [name] = [each for each in names if each != "null"]
    return _TYPES.get(rule.get("format", ""), name)


def _format_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


if __name__ == "__main__":
    for path in list_pages():
        path.write_text(update_tables(path.read_text()))
