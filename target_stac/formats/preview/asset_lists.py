"""Encode the asset lists of the newest items, as many as the page has room for."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any

from target_stac.formats.preview.asset_links import make_asset_link, make_file_link
from target_stac.formats.preview.bands import read_centre
from target_stac.formats.preview.values import (
    as_list,
    as_mapping,
    encode_script_json,
    format_text,
)

if TYPE_CHECKING:
    from target_stac.formats.preview.features import PreviewItem


class AssetListEncoder:
    """Encoder of asset lists as members of a JSON object, by the href of the item's file.

    Args:
        max_bytes: Maximum size of all of them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._kinds: dict[str, int] = {}

    def encode(self, preview_item: PreviewItem) -> bytes | None:
        """Return the asset list of an item; None if there is no room left for it.

        It is an array of what all hrefs begin with, and for each asset the rest of its href, key,
        title if it differs, the position of its kind in `encode_kinds`, the centre of its only
        band in tenths of a nanometre, and 1 if the href is not safe to follow. Trailing nulls are
        left out. An item without a file has none.
        """
        if preview_item.href is None:
            return b""
        assets = as_mapping(preview_item.item.get("assets"))
        links = [
            make_asset_link(str(as_mapping(asset).get("href", "")), preview_item.href)
            for asset in assets.values()
        ]
        prefix = os.path.commonprefix([link.text for link in links])  # noqa: RUF071 - of characters
        rows = []
        for (key, asset), link in zip(assets.items(), links, strict=True):
            row = self._make_row(key, as_mapping(asset), link.text[len(prefix) :])
            row.append(None if link.is_safe else 1)
            while row[-1] is None:
                row.pop()
            rows.append(row)
        name = make_file_link(preview_item.href).text
        member = encode_script_json({name: [prefix, rows]})[1:-1]
        self._room -= len(member)
        return member if self._room >= 0 else None

    def encode_kinds(self) -> bytes:
        """Return the kinds of the assets so far, media type and roles, as a JSON array."""
        return encode_script_json(list(self._kinds))

    def _make_row(self, key: str, asset: Any, rest: str) -> list[Any]:  # noqa: ANN401 - any JSON
        title = format_text(asset.get("title"))
        parts = [asset.get("type"), ", ".join(map(str, as_list(asset.get("roles"))))]
        kind = format_text(" · ".join(str(part) for part in parts if part))
        position = None
        if kind:
            if kind not in self._kinds:
                self._room -= 6 * len(kind) + 3  # a character may be escaped
            position = self._kinds.setdefault(kind, len(self._kinds))
        return [
            rest,
            format_text(key),
            None if title == key else title,
            position,
            read_centre(asset),
        ]
