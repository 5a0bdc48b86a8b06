"""The SDK's tests of targets, with streams that this target ignores and counts."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class, target_test_streams, target_tests
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.suites import SingerTestSuite
from singer_sdk.testing.suites import target_tests as default_tests
from singer_sdk.testing.templates import TargetTestTemplate

from pixxel_singer.errors import InputError
from target_pixxel_store.target import TargetPixxelStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.target_pixxel_store.target_harness import TargetHarness

EXCLUDED = {
    "multiple_state_messages": "expects STATE only where a sink is drained, and the SDK leaves it "
    "out itself; ours follows as soon as all records before it have their outcome; see below",
    "record_before_schema": "expects the SDK's own error, where ours names the line; see below",
    "record_missing_key_property": "expects the run to end, where ours rejects the record; see "
    "test_record_missing_key_property_rejected",
}
SDK_TESTS = {
    test.name: test
    for test in vars(target_tests).values()
    if isinstance(test, type) and issubclass(test, TargetTestTemplate) and "name" in vars(test)
}
Suite = get_target_test_class(
    TargetPixxelStore,
    custom_suites=[
        SingerTestSuite(
            kind="target", tests=[test for name, test in SDK_TESTS.items() if name not in EXCLUDED]
        )
    ],
    include_target_tests=False,
)


class TestTarget(Suite):  # type: ignore[misc,valid-type]  # made by the SDK
    """The SDK's tests, each with a harness of its own."""

    @pytest.fixture
    def runner(self, harness: TargetHarness) -> Iterator[TargetTestRunner]:
        sdk_runner = _ClosingRunner(
            TargetPixxelStore, config=harness.settings, parse_env_config=False
        )
        yield sdk_runner
        sdk_runner.close()
        assert harness.posted_bodies() == []


class _ClosingRunner(TargetTestRunner):
    """A runner that closes the resources of its targets, as `TargetPixxelStore.run` does."""

    def close(self) -> None:
        for target in self._targets:
            target._resources.close()
        if self._input is not None:
            self._input.close()

    def new_target(self) -> TargetPixxelStore:
        target = super().new_target()
        assert isinstance(target, TargetPixxelStore)
        self._targets = [*getattr(self, "_targets", []), target]
        return target


def test_excluded_sdk_tests_all_known() -> None:
    assert {test.name for test in default_tests.tests} <= SDK_TESTS.keys()
    assert SDK_TESTS.keys() > EXCLUDED.keys()


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
