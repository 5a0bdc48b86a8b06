"""The identity of objects, and the records that request indices and visualizations."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_pixxel_store.errors import RecordError
from target_pixxel_store.objects.aois import AOI, read_aoi_request
from target_pixxel_store.objects.indices import INDEX, read_index_request
from target_pixxel_store.objects.visualizations import VISUALIZATION, read_visualization_request
from tests.target_pixxel_store.objects.object_requests import (
    aoi_request,
    index_request,
    visualization_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.objects.models import ObjectKind, ObjectSpec
    from tests.target_pixxel_store.target_harness import Json

MARKER = "v4lue-n0t-t0-be-ech0ed"
KINDS: list[tuple[ObjectKind, Callable[[Json], ObjectSpec], Json]] = [
    (AOI, read_aoi_request, aoi_request()["record"]),
    (INDEX, read_index_request, index_request()["record"]),
    (VISUALIZATION, read_visualization_request, visualization_request()["record"]),
]
WORDS = st.lists(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/\\?#%;.")
        | st.sampled_from("éÅ"),
        min_size=1,
    ),
    min_size=1, max_size=3,
)  # fmt: skip
BLANKS = st.text(" ", max_size=2)


@given(data=st.data())
@pytest.mark.parametrize(("kind", "read_request", "record"), KINDS)
def test_listed_object_identified_by_request(
    kind: ObjectKind, read_request: Callable[[Json], ObjectSpec], record: Json, data: st.DataObject
) -> None:
    """What an API may normalise is not part of the identity; all else is."""
    words = {name: data.draw(WORDS, name) for name in kind.identity_fields}
    identity = {name: " ".join(each) for name, each in words.items()}
    spec = read_request(record | identity)
    row = {kind.id_field: "1"}
    for name, text in identity.items():
        blank = "" if name == "expression" else " "
        joined = f"{blank}{data.draw(BLANKS)}".join(["", *words[name], ""])
        form = unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), joined)
        row[name] = form.swapcase() if name.endswith("_id") else form
        different = [f"{text}x"]
        if name != "expression" and len(words[name]) > 1:
            different.append("".join(words[name]))
        if not name.endswith("_id") and text.swapcase() != text:
            different.append(text.swapcase())
        assert all(kind.find_key(identity | {name: each}) != spec.key for each in different)
        assert kind.parse_row(row | {name: None}) is None
    listed = kind.parse_row(row)
    assert listed is not None
    assert listed.key == spec.key


INVALID_INDEX_FIELDS: list[tuple[Json, str]] = [
    ({"name": " "}, "has no 'name'"),
    ({"satellite_id": None}, "has no 'satellite_id'"),
    ({"expression": [MARKER]}, "'expression' must be a string"),
    ({"colormap": None}, "has no 'colormap'"),
    ({"description": [MARKER]}, "'description' must be a string"),
    ({"expression_type": MARKER}, "must be one of composite, index, grayscale"),
    ({"expression_type": None}, "has no 'expression_type'"),
    ({"rescale": None}, "has no 'rescale'"),
    ({"rescale": " "}, "has no 'rescale'"),
    ({"rescale": f"[{MARKER}"}, "'rescale' is a string that is not JSON"),
    *(
        ({"rescale": value}, "'rescale' must be a list of two whole numbers")
        for value in (
            7,
            [0],
            [0, 1, 2],
            [0, 0.5],
            [True, 1],
            [0, MARKER],
            "[0]",
            [0, float("inf")],
            "0",
            ["0", "0.5"],
            ["0", "NaN"],
            ["0", "true"],
            ["0", ""],
        )
    ),
]
INVALID_VISUALIZATION_FIELDS: list[tuple[Json, str]] = [
    ({"aoi_id": None}, "has no 'aoi_id'"),
    ({"index_id": " "}, "has no 'index_id'"),
    ({"src_asset_ids": [MARKER, 7]}, "'src_asset_ids' must be a list of strings"),
    *(
        ({"resolution": value}, "'resolution' must be a number of metres above 0")
        for value in (0, -1, True, MARKER, float("inf"), float("nan"), "0", "true", "1e999", "[1]")
    ),
]


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        *((1, fields, reason) for fields, reason in INVALID_INDEX_FIELDS),
        *((2, fields, reason) for fields, reason in INVALID_VISUALIZATION_FIELDS),
    ],
)
def test_request_with_invalid_field_refused_without_value(
    kind: int, fields: Json, reason: str
) -> None:
    _, read_request, record = KINDS[kind]
    with pytest.raises(RecordError, match=re.escape(reason)) as raised:
        read_request(record | fields)
    assert MARKER not in str(raised.value)


@pytest.mark.parametrize("rescale", [[-1, 1], [-1.0, 1.0], json.dumps([-1, 1]), ["-1", " 1.0 "]])
def test_index_request_becomes_body_of_contract(rescale: Any) -> None:
    record = index_request(" NDVI ", rescale=rescale, expression_type="INDEX")["record"]
    spec = read_index_request(record)
    assert spec.to_request_body() == record | {
        "name": "NDVI", "rescale": [-1, 1], "expression_type": "index", "description": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({"rescale": [0, 1], "colormap": "RPLUMBO", "expression_type": "INDEX"}, []),
        ({"description": "that of a preset"}, []),
        ({"rescale": [0, 2], "colormap": "greens"}, ["colormap", "rescale"]),
        ({"expression_type": "composite"}, ["expression_type"]),
    ],
)
def test_index_compared_by_fields_that_api_returns(fields: Json, differs: list[str]) -> None:
    spec = read_index_request(index_request()["record"])
    listed = INDEX.parse_row(spec.to_request_body() | {"id": "1", **fields})
    assert listed is not None
    assert spec.find_differences(listed.fields) == differs
    only = INDEX.parse_row({"id": "1", **dict(zip(INDEX.identity_fields, spec.key.identity))})  # noqa: B905 - as long
    assert only is not None
    assert spec.find_differences(only.fields) == []


def test_visualization_request_sends_only_what_is_given() -> None:
    record = visualization_request("a b", " i ")["record"]
    spec = read_visualization_request(record)
    assert (spec.path, spec.to_request_body()) == (
        "/v0/aois/a%20b/visualizations",
        {"index_id": "i"},
    )
    spec = read_visualization_request(record | {"src_asset_ids": " ", "resolution": ""})
    assert spec.to_request_body() == {"index_id": "i"}
    for resolution in (10, "10", " 10.0 "):
        fields = {"src_asset_ids": '["x", "y"]', "resolution": resolution}
        assert read_visualization_request(record | fields).to_request_body() == {
            "index_id": "i",
            "src_asset_ids": ("x", "y"),
            "resolution": 10,
        }
