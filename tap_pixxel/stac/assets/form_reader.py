"""Read the assets of an item by their forms, and the values that fail the forms' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.assets.bands import BAND_PARSERS
from tap_pixxel.stac.assets.forms import asset_forms, extensions_of
from tap_pixxel.stac.assets.media_types import set_media_type
from tap_pixxel.stac.assets.wavelengths import STATED_IN_NANOMETRES, UNKNOWN_FWHM, parse_fwhm
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import MARKERS, NUMBER_TYPES, Invalid, Repaired
from tap_pixxel.stac.result import ConversionNote

if TYPE_CHECKING:
    from tap_pixxel.stac.assets.forms import BandForms, Form, Step

_NOT_PLAIN = MARKERS | {type(None)}


class ValueReader:
    """A parser of the values that fail their tests, of one asset or one band at a time.

    Attributes:
        builder: Collects notes, and values that are not valid in their fields.
        prefix: Prefix of the paths of assets, ending in a dot.
        key: Key of the asset.
        index: Index of the band in its list.
        is_complete: Whether each field so far has a value.
        in_nanometres: Whether the band's wavelength was stated in nanometres.
    """

    __slots__ = ("builder", "in_nanometres", "index", "is_complete", "key", "prefix")

    def __init__(self, prefix: str, notes: list[ConversionNote]) -> None:
        self.builder = ObjectBuilder("", notes)
        self.prefix = prefix
        self.key = ""
        self.index = 0
        self.is_complete = True
        self.in_nanometres = False

    def parse(self, step: Step, value: object) -> Any:  # noqa: ANN401 - any JSON
        """Return the parsed value; None for an omitted one."""
        parsed = None if value is None else step.parser(value)
        return self.unwrap(step, value, parsed) if type(parsed) in _NOT_PLAIN else parsed

    def parse_wavelength(self, step: Step, value: object) -> Any:  # noqa: ANN401 - any JSON
        """Parse a band's wavelength, and record whether it was in nanometres."""
        parsed = None if value is None else step.parser(value)
        if type(parsed) not in _NOT_PLAIN:
            return parsed
        if type(parsed) is Repaired and parsed.reason == STATED_IN_NANOMETRES:
            self.in_nanometres = True
        return self.unwrap(step, value, parsed)

    def parse_fwhm(self, step: Step, value: object, center: float | None) -> Any:  # noqa: ANN401 - any JSON
        """Parse a band's width, which must be below its wavelength `center`, if given."""
        if value == 0 and type(value) in NUMBER_TYPES:  # as `parse_fwhm`, for most images
            return self.unwrap(step, value, UNKNOWN_FWHM)
        parsed = value
        if value is not None:
            parsed = parse_fwhm(value, center, in_nanometres=self.in_nanometres)
        return self.unwrap(step, value, parsed) if type(parsed) in _NOT_PLAIN else parsed

    def unwrap(self, step: Step, value: object, parsed: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the usable value of a parser's result, and note the rest; None without one."""
        if parsed is None:
            self.is_complete = False
            return None
        if step.list_name:
            path = f"{self.prefix}{self.key}.{step.list_name}.{self.index}.{step.source}"
        else:
            path = f"{self.prefix}{self.key}.{step.source}"
        if type(parsed) is Invalid:
            self.builder.keep_as_extra(step.source, value, parsed.reason, path)
            self.is_complete = False
            return None
        self.builder.notes.append(ConversionNote(path, parsed.action, parsed.reason))
        if parsed.value is None:
            self.is_complete = False
        return parsed.value


class FormReader:
    """A reader of the assets of one item by their forms.

    Args:
        prefix: Prefix of the paths of assets, ending in a dot.
        notes: The item's notes, to which notes are added.
        factors: `raster:scale` and `raster:offset` for data bands without them.
        assume_cog: Whether to declare every GeoTIFF cloud-optimized.

    Attributes:
        extensions: Sets of prefixes of the extensions that the assets use.
        used_factors: Names of the factors that a band got.
        factors: As given.
        band: Parses the values of bands.
    """

    def __init__(
        self,
        prefix: str,
        notes: list[ConversionNote],
        factors: dict[str, float],
        *,
        assume_cog: bool,
    ) -> None:
        self.extensions: set[frozenset[str]] = set()
        self.used_factors: set[str] = set()
        self.factors = factors
        self.band = ValueReader(prefix, notes)
        self._assume_cog = assume_cog
        self._asset = ValueReader(prefix, notes)

    def read(
        self, key: str, asset: dict[str, Any], href: str, suffix: str
    ) -> dict[str, Any] | None:
        """Read an asset.

        Args:
            key: Key of the asset.
            asset: The asset, with or without its href, which is not read.
            href: The href of the output.
            suffix: Suffix of the href if the asset has no media type; else empty.

        Returns:
            The fields; None for an asset that has to be converted carefully. The caller then
            removes the notes that were added.
        """
        form = asset_forms[tuple(asset)]
        if form is None:
            return None
        reader = self._asset
        builder = reader.builder
        reader.key = self.band.key = key
        self.band.index = 0
        fields = form.read(asset, reader, self, href)
        if fields is None or not reader.is_complete:
            reader.is_complete = True
            if fields is None or (builder.extras and form.extras):
                builder.extras.clear()
                return None
            fields = {name: value for name, value in fields.items() if value is not None}
            self.extensions.add(extensions_of(*fields))
        else:
            self.extensions.add(form.extensions)
        if suffix or self._assume_cog:
            bands = fields.pop("bands", None)
            builder.fields = fields
            builder.path = f"{reader.prefix}{key}."
            set_media_type(builder, suffix, assume_cog=self._assume_cog)
            if bands:
                fields["bands"] = bands
        if builder.extras:
            _add_invalid(builder, fields)
        return fields if not form.extras or form.add_extras(fields, asset) else None

    def read_bands(
        self, forms: BandForms, roles: list[str] | None, *lists: Any
    ) -> list[dict[str, Any]] | None:
        """Read lists of bands; None for an asset that has to be converted carefully."""
        size = len(lists[0]) if type(lists[0]) is list else 0
        for each in lists:
            if type(each) is not list or len(each) != size:
                return None
        bands: list[dict[str, Any]] = []
        for parts in zip(*lists, strict=True):
            if {*map(type, parts)} != {dict}:
                return None
            form = forms[*parts[0], *(name for part in parts[1:] for name in (None, *part))]
            self.band.index = len(bands)
            band = form and form.read(*parts, self.band)
            if (
                form is None
                or band is None
                or not self.band.is_complete
                or form.extras
                or self.factors
            ):
                band = self.finish_band(form, band, roles, *parts)
            else:
                self.extensions.add(form.extensions)
            if band is None:
                return None
            bands.append(band)
        return bands if any(bands) else []

    def finish_band(
        self,
        form: Form | None,
        band: dict[str, Any] | None,
        roles: list[str] | None,
        *parts: dict[str, Any],
    ) -> dict[str, Any] | None:
        """Omit fields without a value; add factors, and members without a parser."""
        builder = self.band.builder
        self.band.is_complete = True
        if form is None or band is None or (builder.extras and form.extras):
            builder.extras.clear()
            return None
        band = {name: value for name, value in band.items() if value is not None}
        if self.factors and "data" in (roles or ["data"]):
            self.used_factors |= self.factors.keys() - band.keys()
            band = self.factors | band
            band = {name: band[name] for name in BAND_PARSERS if name in band}
        self.extensions.add(extensions_of(*band))
        if builder.extras:
            _add_invalid(builder, band)
        return band if not form.extras or form.add_extras(band, *parts) else None


def _add_invalid(builder: ObjectBuilder, fields: dict[str, Any]) -> None:
    """Add the values that are not valid in their fields, under other names."""
    builder.fields = fields
    builder.build()
    builder.extras.clear()
