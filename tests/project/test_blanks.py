"""A blank variable counts as not set, for each setting of each plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.settings import env_name
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_singer.plugin import PixxelPlugin

TOKEN = {"api_token": "a-token"}
PLUGINS: list[tuple[type[PixxelPlugin], dict[str, Any]]] = [
    (TapPixxel, {**TOKEN, "page_size": 7}),
    (TargetPixxelStore, {**TOKEN, "api_url": "http://host", "deliver_to": "there"}),
    (TargetStac, {"output": "there", "formats": ["ndjson"]}),
]


@pytest.mark.parametrize(("plugin", "given"), PLUGINS)
def test_a_blank_variable_leaves_what_else_is_said(
    plugin: type[PixxelPlugin],
    given: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # away from any .env
    without = plugin(config=given, validate_config=False).config
    for at, name in enumerate(plugin.config_jsonschema["properties"]):
        monkeypatch.setenv(env_name(plugin._env_var_prefix, name), " " * (at % 2))
    blank = plugin(config=given, validate_config=False, parse_env_config=True).config
    assert dict(blank) == dict(without)
    assert given.items() <= blank.items()
