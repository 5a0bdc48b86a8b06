"""The private parts of the SDK that the tap overrides or calls exist, with these parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from singer_sdk.plugin_base import PluginBase
from singer_sdk.streams import Stream
from singer_sdk.tap_base import Tap

from pixxel_singer.plugin import PixxelPlugin
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.tap import TapPixxel

OVERRIDES = [
    (Stream, PixxelStream, "_sync_records"),
    (Stream, PixxelStream, "_process_record"),
    (Stream, PixxelStream, "_write_record_message"),
    (Stream, PixxelStream, "_write_starting_replication_value"),
    (Stream, PixxelStream, "_increment_stream_state"),
    (Stream, PixxelStream, "_generate_record_messages"),
    (Stream, PixxelStream, "apply_catalog"),
    (Stream, PixxelStream, "get_batch_config"),
    (Stream, PixxelStream, "get_replication_key_signpost"),
    (PluginBase, PixxelPlugin, "_validate_config"),
    (PluginBase, PixxelPlugin, "_setup_signal_handlers"),
    (PluginBase, PixxelPlugin, "cb_config"),
    (Tap, TapPixxel, "setup_mapper"),
    (Tap, TapPixxel, "cb_test"),
]
CALLS = [
    (Stream, "_write_activate_version_message"),
    (Stream, "_write_state_message"),
    (PluginBase, "append_builtin_config"),
    (Tap, "run_connection_test"),
    (Tap, "sync_all"),
]


@pytest.mark.parametrize(("base", "ours", "name"), OVERRIDES)
def test_override_has_parameters_of_overridden_method(
    base: type[Any], ours: type[Any], name: str
) -> None:
    assert list(inspect.signature(getattr(base, name)).parameters) == list(
        inspect.signature(getattr(ours, name)).parameters
    )


@pytest.mark.parametrize(("base", "name"), CALLS)
def test_called_sdk_method_exists(base: type[Any], name: str) -> None:
    assert callable(getattr(base, name))


@pytest.mark.parametrize("attribute", ["_initialized_at", "_stream_version"])
def test_used_sdk_attribute_exists(attribute: str) -> None:
    stream = TapPixxel(config={"api_token": "token-1"}).streams["orders"]
    assert hasattr(stream, attribute)
