"""The SDK's own tests of targets, less those that a target contradicts with a reason."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from singer_sdk.testing import get_target_test_class, target_tests
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.suites import SingerTestSuite
from singer_sdk.testing.suites import target_tests as default_suite
from singer_sdk.testing.templates import TargetTestTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from pixxel_singer.target_base import PixxelTarget

TARGET_TESTS = {
    test.name: test
    for test in vars(target_tests).values()
    if isinstance(test, type) and issubclass(test, TargetTestTemplate) and "name" in vars(test)
}
"""Every test of targets that the SDK has, by name: also those that its own suite leaves out."""


def make_target_test_class(target: type[PixxelTarget], excluded: Mapping[str, str]) -> type[Any]:
    """Return a class with the SDK's tests of targets.

    Args:
        target: The target.
        excluded: Names of the tests that it leaves out, each with its reason.
    """
    assert {test.name for test in default_suite.tests} <= TARGET_TESTS.keys()
    assert excluded.keys() < TARGET_TESTS.keys()
    tests = [test for name, test in TARGET_TESTS.items() if name not in excluded]
    suite = SingerTestSuite(kind="target", tests=tests)
    return get_target_test_class(target, custom_suites=[suite], include_target_tests=False)


class _ClosingRunner(TargetTestRunner):
    """A runner that closes what its targets opened, as their `run` does, and its input."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened = ExitStack()

    def new_target(self) -> PixxelTarget:
        target: PixxelTarget = super().new_target()  # type: ignore[assignment]  # of this class
        self._opened.callback(target._resources.close)
        return target

    def close(self) -> None:
        """Close the resources of all targets, and the input."""
        self._opened.close()
        if self._input is not None:
            self._input.close()


def run_target_tests(
    target: type[PixxelTarget], settings: dict[str, Any]
) -> AbstractContextManager[TargetTestRunner]:
    """Return the runner of a test of the SDK for a target with these settings."""
    return closing(_ClosingRunner(target, config=settings, parse_env_config=False))
