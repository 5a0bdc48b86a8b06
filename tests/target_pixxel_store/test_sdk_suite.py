"""The SDK's tests of targets, with streams that this target ignores and counts."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import target_test_streams

from pixxel_singer.errors import InputError
from target_pixxel_store.target import TargetPixxelStore
from tests.sdk_suites import make_target_test_class, run_target_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.testing import TargetTestRunner

    from tests.target_pixxel_store.target_harness import TargetHarness

EXCLUDED = {
    "invalid_schema": "expects an error, where a schema without properties is a JSON Schema like "
    "others; see below",
    "multiple_state_messages": "expects STATE only where a sink is drained, and the SDK leaves it "
    "out itself; ours follows as soon as all records before it have their outcome; see below",
    "record_before_schema": "expects the SDK's own error, where ours names the line; see below",
    "record_missing_key_property": "expects the run to end, where ours rejects the record; see "
    "test_record_missing_key_property_rejected",
}
Suite = make_target_test_class(TargetPixxelStore, EXCLUDED)


class TestTarget(Suite):  # type: ignore[misc,valid-type]  # made by the SDK
    """The SDK's tests, each with a harness of its own."""

    @pytest.fixture
    def runner(self, harness: TargetHarness) -> Iterator[TargetTestRunner]:
        with run_target_tests(TargetPixxelStore, harness.settings) as sdk_runner:
            yield sdk_runner
        assert harness.posted_bodies() == []


@pytest.mark.parametrize("name", sorted(EXCLUDED))
def test_excluded_sdk_test_input_handled(harness: TargetHarness, name: str) -> None:
    text = (files(target_test_streams) / f"{name}.singer").read_text()
    result = harness.run(text)
    if name == "record_before_schema":
        assert isinstance(result.error, InputError)
        assert "before the SCHEMA of its stream" in result.error.lines[0]
    else:
        assert (result.error, result.status) == (None, 0)
        messages = [json.loads(line) for line in text.splitlines()]
        states = [message["value"] for message in messages if message["type"] == "STATE"]
        assert result.states == states
