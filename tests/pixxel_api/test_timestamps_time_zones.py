"""Forms of time where the machine's own zone or a blank could come in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pixxel_api.timestamps import normalize_date, normalize_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_kolkata")
def test_a_time_without_an_offset_is_utc_wherever_the_tap_runs() -> None:
    assert normalize_timestamp("2024-05-27T06:50:20") == "2024-05-27T06:50:20.000000Z"
    assert normalize_date("2024-05-15T22:00:00") == "2024-05-15"


def test_blanks_around_a_date_do_not_matter() -> None:
    assert normalize_date(" 15-05-2024 ") == "2024-05-15"
