"""The SDK's own tests of targets; its streams are none that this target acts on, so all count."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class, target_test_streams, target_tests
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.suites import SingerTestSuite
from singer_sdk.testing.suites import target_tests as usual
from singer_sdk.testing.templates import TargetTestTemplate

from pixxel_singer.errors import InputError
from target_pixxel_store.target import TargetPixxelStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.target_pixxel_store.target_runner import Workplace

LEFT_OUT = {
    "multiple_state_messages": "expects STATE only where a sink is drained, and the SDK leaves it "
    "out itself; ours follows as soon as all records before it have their outcome; see below",
    "record_before_schema": "expects the SDK's own error, where ours names the line; see below",
    "record_missing_key_property": "expects the run to end, where ours rejects the record; see "
    "test_a_missing_key_is_a_rejected_record",
}
ALL = {
    test.name: test
    for test in vars(target_tests).values()
    if isinstance(test, type) and issubclass(test, TargetTestTemplate) and "name" in vars(test)
}
Suite = get_target_test_class(
    TargetPixxelStore,
    custom_suites=[
        SingerTestSuite(
            kind="target", tests=[test for name, test in ALL.items() if name not in LEFT_OUT]
        )
    ],
    include_target_tests=False,
)


class TestTarget(Suite):  # type: ignore[misc,valid-type]  # made by the SDK
    """Each in a workplace of its own."""

    @pytest.fixture
    def runner(self, place: Workplace) -> Iterator[TargetTestRunner]:
        made = _Runner(TargetPixxelStore, config=place.settings, parse_env_config=False)
        yield made
        made.close()
        assert place.posts() == []


class _Runner(TargetTestRunner):
    """A runner that closes what its targets have opened, as `TargetPixxelStore.run` does."""

    def close(self) -> None:
        for target in self._made:
            target._resources.close()
        if self._input is not None:
            self._input.close()

    def new_target(self) -> TargetPixxelStore:
        target = super().new_target()
        assert isinstance(target, TargetPixxelStore)
        self._made = [*getattr(self, "_made", []), target]
        return target


def test_none_is_left_out_without_a_reason() -> None:
    assert {test.name for test in usual.tests} <= ALL.keys()
    assert ALL.keys() > LEFT_OUT.keys()


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_was_left_out(place: Workplace, name: str) -> None:
    given = (files(target_test_streams) / f"{name}.singer").read_text()
    ran = place.run(given)
    if name == "record_before_schema":
        assert isinstance(ran.error, InputError)
        assert "before the SCHEMA of its stream" in ran.error.lines[0]
    else:
        assert (ran.error, ran.status) == (None, 0)
        sent = [json.loads(line) for line in given.splitlines()]
        states = [message["value"] for message in sent if message["type"] == "STATE"]
        assert ran.states == states
