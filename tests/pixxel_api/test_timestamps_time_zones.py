"""Timestamps and dates that the local time zone or spaces could change."""

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
def test_timestamp_without_offset_is_utc_in_any_local_zone() -> None:
    assert normalize_timestamp("2024-05-27T06:50:20") == "2024-05-27T06:50:20.000000Z"
    assert normalize_date("2024-05-15T22:00:00") == "2024-05-15"


def test_normalize_date_strips_spaces() -> None:
    assert normalize_date(" 15-05-2024 ") == "2024-05-15"
