"""Bands: STAC 1.1's one list of bands, out of the lists of three generations of the API."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.assets.wavelengths import parse_fwhm
from tap_pixxel.stac.extensions import PARSERS
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import parse_text
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Mapping

BAND_LISTS: Final = ("bands", "eo:bands", "raster:bands")
"""Members that hold bands; the i-th of each is one band, and the first word counts."""
BAND_ALIASES: Final = {
    "center_wavelength": "eo:center_wavelength",
    "fwhm": "eo:full_width_half_max",
    "full_width_half_max": "eo:full_width_half_max",
    "common_name": "eo:common_name",
    "solar_irradiance": "eo:solar_illumination",
    "solar_illumination": "eo:solar_illumination",
    "scale": "raster:scale",
    "offset": "raster:offset",
    "spatial_resolution": "raster:spatial_resolution",
    "bits_per_sample": "raster:bits_per_sample",
    "sampling": "raster:sampling",
    "histogram": "raster:histogram",
}
CENTER_WAVELENGTH: Final = "eo:center_wavelength"
FWHM: Final = "eo:full_width_half_max"
_BAND_PARSERS: Final = {"name": parse_text} | PARSERS["bands"]


def merge_bands(
    owner: Mapping[str, Any], draft: ObjectBuilder, lacking: Mapping[str, float] | None = None
) -> tuple[list[dict[str, Any]], set[str]]:
    """Merge the lists of bands that an asset (or summaries) has into one.

    Args:
        owner: what has ``bands``, ``eo:bands``, ``raster:bands``: each a list of objects, one
            object, or an object of objects by band name.
        draft: the owner's, for notes and for lists that are none.
        lacking: fields for the bands that lack them.

    Returns:
        One object a band, none when no band says anything; and what was `lacking` somewhere.
    """
    lists: list[list[tuple[str, Any]]] = []
    for name in BAND_LISTS:
        listed = owner.get(name)
        if listed is None:
            continue
        if isinstance(listed, dict):
            lists.append(_list_from_object(name, listed))
            draft.add_note(name, CONVERTED, "an object where a list belongs")
        elif isinstance(listed, list):
            lists.append([(f"{name}.{at}", each) for at, each in enumerate(listed)])
        else:
            draft.keep_as_extra(name, listed, "not a list of bands")
    if len({len(listed) for listed in lists}) > 1:
        draft.add_note("bands", REPAIRED, "lists of bands of different lengths")
    taken: set[str] = set()
    made = [
        _merge_band(
            [source for source in sources if source is not None], draft, lacking or {}, taken
        )
        for sources in zip_longest(*lists)
    ]
    return (made, taken) if any(made) else ([], set())


def _list_from_object(name: str, listed: dict[str, Any]) -> list[tuple[str, Any]]:
    if not listed or not all(isinstance(each, dict) for each in listed.values()):
        return [(name, listed)]
    return [(f"{name}.{key}", {"name": key} | each) for key, each in listed.items()]


def _merge_band(  # noqa: C901 - one pass, a branch for each kind of field
    sources: list[tuple[str, Any]],
    owner: ObjectBuilder,
    lacking: Mapping[str, float],
    taken: set[str],
) -> dict[str, Any]:
    draft = ObjectBuilder("", owner.notes)
    widths: list[tuple[str, str, Any]] = []
    in_nanometres = False
    for path, band in sources:
        if not isinstance(band, dict):
            owner.add_note(path, DROPPED, "not an object")
            continue
        draft.path = f"{owner.path}{path}."
        for source, value in band.items():
            if value is None:
                continue
            target = BAND_ALIASES.get(source) or str(source)
            reader = _BAND_PARSERS.get(target)
            if target == FWHM:
                widths.append((draft.path, source, value))
            elif reader is None:
                draft.keep_as_extra(source, value)
            else:
                draft.parse_field(target, source, value, reader)
            if target == CENTER_WAVELENGTH:
                in_nanometres |= _was_in_nanometres(draft, source)
    centre = draft.fields.get(CENTER_WAVELENGTH)
    for draft.path, source, value in widths:
        draft.parse_field(
            FWHM,
            source,
            value,
            lambda found: parse_fwhm(found, centre, in_nanometres=in_nanometres),
        )
    for name, stated in lacking.items():
        if name not in draft.fields:
            draft.fields[name] = stated
            taken.add(name)
    # In the order of the table, whichever list a field came from.
    draft.fields = {name: draft.fields[name] for name in _BAND_PARSERS if name in draft.fields}
    return draft.build()


def _was_in_nanometres(draft: ObjectBuilder, source: str) -> bool:
    last = draft.notes[-1] if draft.notes else None
    return last is not None and last.field == draft.path + source and "nanometres" in last.reason


def first_wavelength(made: list[dict[str, Any]]) -> float | None:
    """Give the first wavelength among bands, in micrometres."""
    for band in made:
        if (centre := band.get(CENTER_WAVELENGTH)) is not None:
            return float(centre)
    return None
