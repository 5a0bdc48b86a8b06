"""The SDK's tests of taps, against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from singer_sdk.testing.runners import TapTestRunner

from pixxel_sandbox import Sandbox
from pixxel_sandbox.server import TOKEN
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.syncs import make_catalog, make_config

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE_CONFIG = SuiteConfig(max_records_limit=None)
Suite = get_tap_test_class(
    TapPixxel,
    catalog=make_catalog({}, *TapPixxel(config={}, validate_config=False).streams),
    config={"api_token": TOKEN},
    suite_config=SUITE_CONFIG,
    parse_env_config=False,
)


# The column `extra` is null in all records of a stream without unknown fields.
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestTap(Suite):  # type: ignore[misc,valid-type]  # made by the SDK
    """The SDK's tests, with the records of one sync of all streams."""

    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Iterator[TapTestRunner]:
        with Sandbox(seed=7, items=120) as sandbox:
            sdk_runner = TapTestRunner(
                TapPixxel,
                config=make_config(sandbox, datetime="2020/..", bbox=[-180, -90, 180, 90]),
                suite_config=SUITE_CONFIG,
                parse_env_config=False,
            )
            sdk_runner.sync_all()
            yield sdk_runner
