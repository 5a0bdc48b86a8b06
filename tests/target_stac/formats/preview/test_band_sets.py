"""Tests of the sets of bands that the page has once for many items."""

from __future__ import annotations

import json

from target_stac.formats.preview.band_sets import NO_ROOM, NONE, BandSets


def test_same_bands_of_many_items_are_kept_once() -> None:
    sets = BandSets(100)
    assert [sets.add(bands) for bands in (b"[1,2]", b"[3,4]", b"[1,2]", b"[]")] == [0, 1, 0, NONE]
    assert json.loads(sets.encode()) == [[1, 2], [3, 4]]


def test_bands_beyond_room_are_left_out_and_known_ones_kept() -> None:
    sets = BandSets(8)
    assert sets.add(b"[1,2]") == 0
    assert sets.add(b"[3,4]") == NO_ROOM
    assert sets.add(b"[1,2]") == 0
    assert sets.add(b"[5]") == 1
