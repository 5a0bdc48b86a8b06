"""Tests of the encoding of data in the page."""

from __future__ import annotations

import json

from target_stac.formats.preview.values import encode_script_json


def test_script_json_escapes_characters_of_html() -> None:
    texts = "<>&\u2028\u2029"
    data = encode_script_json({texts: [texts]})
    assert not set(data.decode()) & set(texts)
    assert json.loads(data) == {texts: [texts]}
