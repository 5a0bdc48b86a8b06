"""A blank environment variable leaves a setting unset, for each setting of each plugin."""

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
PLUGIN_SETTINGS: list[tuple[type[PixxelPlugin], dict[str, Any]]] = [
    (TapPixxel, {**TOKEN, "page_size": 7}),
    (TargetPixxelStore, {**TOKEN, "api_url": "http://host", "deliver_to": "imagery"}),
    (TargetStac, {"output": "folder", "formats": ["ndjson"]}),
]


@pytest.mark.parametrize(("plugin", "given"), PLUGIN_SETTINGS)
def test_setting_blank_variable_keeps_default_or_given_value(
    plugin: type[PixxelPlugin],
    given: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # a folder without .env
    expected = plugin(config=given, validate_config=False).config
    for index, name in enumerate(plugin.config_jsonschema["properties"]):
        monkeypatch.setenv(env_name(plugin._env_var_prefix, name), " " * (index % 2))
    blank = plugin(config=given, validate_config=False, parse_env_config=True).config
    assert dict(blank) == dict(expected)
    assert given.items() <= blank.items()
