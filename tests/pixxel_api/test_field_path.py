"""FieldPath decodes one value of a row."""

from __future__ import annotations

import msgspec
import pytest

from pixxel_api.json_decoding import FieldPath, decode_row


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ('{"properties": {"datetime": "2024", "x": [1, {}]}, "id": "a"}', "2024"),
        ('{"properties": {"datetime": 7}}', 7),
        ('{"properties": {"datetime": null}}', None),
        ('{"properties": {"datetime": ["2024"]}}', None),
        ('{"properties": {}}', None),
        ('{"properties": null}', None),
        ('{"properties": 5}', None),
        ("{}", None),
        ("7", None),
        ("null", None),
    ],
)
def test_field_path_returns_value_or_none(row: str, value: str | int | None) -> None:
    assert FieldPath("properties", "datetime")(decode_row(msgspec.Raw(row))) == value
