"""Make rows of items: the members of an item, and those of its properties beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_stac.records import is_bbox

if TYPE_CHECKING:
    from target_stac.records import Json

_ITEM_MEMBERS = frozenset(
    {
        *("type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox"),
        *("properties", "links", "assets"),
    }
)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode_members = msgspec.json.Encoder().encode
_FLAT_BBOX_LENGTH = 4
_PROJECTED_GEOMETRY = b'"proj:geometry"'


class Row(NamedTuple):
    """An item as a row.

    Attributes:
        members: The JSON of its members and properties by name, without type, geometry and bbox.
        geometry: Its geometry as GeoJSON; null if it has none.
        bbox: Its bbox of four or six numbers, None if it has none.
        clashes: Members that the row cannot hold beside another of the same name.
        has_projected_geometry: Whether a geometry is among the members.
    """

    members: dict[str, msgspec.Raw]
    geometry: str
    bbox: list[float] | None
    clashes: list[str]
    has_projected_geometry: bool

    def encode(self, names: frozenset[str]) -> bytes:
        """Return the members as JSON, without assets if they are empty and `names` lacks them."""
        if "assets" not in names and self.has_no_assets:
            return _encode_members({k: v for k, v in self.members.items() if k != "assets"})
        return _encode_members(self.members)

    @property
    def has_no_assets(self) -> bool:
        """Whether its assets are an empty object."""
        return "assets" in self.members and len(memoryview(self.members["assets"])) == len("{}")

    def decode(self) -> Json:
        """Return the members."""
        return {name: msgspec.json.decode(raw) for name, raw in self.members.items()}

    @property
    def has_heights(self) -> bool:
        """Whether its bbox has six numbers."""
        return self.bbox is not None and len(self.bbox) > _FLAT_BBOX_LENGTH

    @property
    def id(self) -> str:
        """Id of the item."""
        identifier: str = msgspec.json.decode(self.members["id"])
        return identifier


def make_row(line: bytes) -> Row:
    """Make a row of an item's JSON.

    A property that has the name of an item's member is a clash, and so is a member that STAC does
    not define and that has the name of a property.
    """
    members = _decode_members(line)
    properties = _decode_members(members.pop("properties"))
    geometry, bbox = members.pop("geometry", None), members.pop("bbox", None)
    members.pop("type", None)
    clashes = []
    if not _ITEM_MEMBERS.isdisjoint(properties):
        for name in sorted(_ITEM_MEMBERS & properties.keys()):
            clashes.append(f"properties.{name}")
            del properties[name]
    if not members.keys().isdisjoint(properties):
        clashes += sorted(members.keys() & properties.keys())
    members.update(properties)
    return Row(
        members,
        "null" if geometry is None else str(memoryview(geometry), "utf-8"),
        None if bbox is None else _decode_bbox(bbox),
        clashes,
        _PROJECTED_GEOMETRY in line,
    )


def _decode_bbox(raw: msgspec.Raw) -> list[float] | None:
    bbox: Any = msgspec.json.decode(raw)
    return bbox if is_bbox(bbox) else None
