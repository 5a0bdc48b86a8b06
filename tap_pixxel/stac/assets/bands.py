"""Merge the band lists of three generations of the API into STAC 1.1's list of bands."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.assets.wavelengths import STATED_IN_NANOMETRES, parse_fwhm
from tap_pixxel.stac.extensions import PARSERS
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import parse_text
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Mapping

BAND_LISTS = ("bands", "eo:bands", "raster:bands")
"""Members that hold bands; the i-th of each is one band, and a field's first value wins."""
BAND_ALIASES = {
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
CENTER_WAVELENGTH = "eo:center_wavelength"
FWHM = "eo:full_width_half_max"
BAND_PARSERS = {"name": parse_text} | PARSERS["bands"]


def merge_bands(
    owner: Mapping[str, Any], builder: ObjectBuilder, defaults: Mapping[str, float] | None = None
) -> tuple[list[dict[str, Any]], set[str]]:
    """Merge the band lists of an asset, or of summaries, into one.

    Args:
        owner: the object with `bands`, `eo:bands`, `raster:bands`: each a list of objects, one
            object, or an object of objects by band name.
        builder: the owner's builder, for notes and for band lists that are not valid.
        defaults: fields for the bands without them.

    Returns:
        One object per band, none when no band has a field; and the names of the used `defaults`.
    """
    lists: list[list[tuple[str, Any]]] = []
    for name in BAND_LISTS:
        raw = owner.get(name)
        if raw is None:
            continue
        if isinstance(raw, dict):
            lists.append(_list_from_object(name, raw))
            builder.add_note(name, CONVERTED, "an object instead of a list")
        elif isinstance(raw, list):
            lists.append([(f"{name}.{index}", each) for index, each in enumerate(raw)])
        else:
            builder.keep_as_extra(name, raw, "not a list of bands")
    if len({len(each) for each in lists}) > 1:
        builder.add_note("bands", REPAIRED, "band lists of different lengths")
    used_defaults: set[str] = set()
    bands = [
        _merge_band(
            [source for source in sources if source is not None],
            builder,
            defaults or {},
            used_defaults,
        )
        for sources in zip_longest(*lists)
    ]
    return (bands, used_defaults) if any(bands) else ([], set())


def _list_from_object(name: str, raw: dict[str, Any]) -> list[tuple[str, Any]]:
    if not raw or not all(isinstance(each, dict) for each in raw.values()):
        return [(name, raw)]
    return [(f"{name}.{key}", {"name": key} | each) for key, each in raw.items()]


def _merge_band(  # noqa: C901 - one pass, a branch for each kind of field
    sources: list[tuple[str, Any]],
    owner: ObjectBuilder,
    defaults: Mapping[str, float],
    used_defaults: set[str],
) -> dict[str, Any]:
    builder = ObjectBuilder("", owner.notes)
    widths: list[tuple[str, str, Any]] = []
    in_nanometres = False
    for path, band in sources:
        if not isinstance(band, dict):
            owner.add_note(path, DROPPED, "not an object")
            continue
        builder.path = f"{owner.path}{path}."
        for source, value in band.items():
            if value is None:
                continue
            target = BAND_ALIASES.get(source) or str(source)
            parser = BAND_PARSERS.get(target)
            if target == FWHM:
                widths.append((builder.path, source, value))
            elif parser is None:
                builder.keep_as_extra(source, value)
            else:
                builder.parse_field(target, source, value, parser)
            if target == CENTER_WAVELENGTH:
                in_nanometres |= was_in_nanometres(builder, source)
    centre = builder.fields.get(CENTER_WAVELENGTH)
    for builder.path, source, value in widths:
        builder.parse_field(
            FWHM,
            source,
            value,
            lambda fwhm: parse_fwhm(fwhm, centre, in_nanometres=in_nanometres),
        )
    for name, default in defaults.items():
        if name not in builder.fields:
            builder.fields[name] = default
            used_defaults.add(name)
    # In the order of the table, whichever list a field came from.
    builder.fields = {name: builder.fields[name] for name in BAND_PARSERS if name in builder.fields}
    return builder.build()


def was_in_nanometres(builder: ObjectBuilder, source: str) -> bool:
    """Return whether the last note is about a wavelength that was stated in nanometres."""
    last = builder.notes[-1] if builder.notes else None
    if last is None or last.reason != STATED_IN_NANOMETRES:
        return False
    return last.field == builder.path + source
