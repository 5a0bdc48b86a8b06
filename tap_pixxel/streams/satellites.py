"""Satellites that can be searched, of any provider, and the images that a search finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from pixxel_api.errors import BadRequest, UnexpectedResponse
from pixxel_api.json_decoding import decode_row
from pixxel_api.pagination.cursor_scan import CursorOrOffsetScan, TokenPage
from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page, SinglePage
from pixxel_api.timestamps import format_timestamp
from tap_pixxel.columns import OBJECT, OBJECTS, TEXT, Column, TableSchema
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.scan_report import RowBatch
from tap_pixxel.stream_types.search import FILTERS_HINT
from tap_pixxel.stream_types.stac import STAC_ITEM_COLUMNS
from tap_pixxel.stream_types.stac_items import ITEM_COLUMNS, RAW_ITEM_COLUMNS, StacItemStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.cursor_scan import FetchTokenPage
    from pixxel_api.response import JsonResponse
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.columns import Fields
    from tap_pixxel.stac import ConversionResult
    from tap_pixxel.stream_types.scan_report import ScanReport

_SATELLITE_ID = Column("satellite_id", TEXT, "Id of the satellite that was searched.")
_MAP_OR_LIST = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw] | None)


class Satellites(PixxelStream):
    """GET /v0/satellites: satellites that can be searched, and their collections."""

    name = "satellites"
    path = "/v0/satellites"
    records_key = "satellites"
    paging = SinglePage()
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the satellite."),
        Column("name", TEXT, "Name."),
        Column("bands", OBJECTS, "Bands: name, wavelength, resolution in metres, scale, offset."),
        Column("collections", OBJECTS, "Collections of its images: id, name, provider."),
        Column("rgb_composite", OBJECT, "Bands of an RGB composite: red, green, blue."),
    )


class SatelliteImages(StacItemStream, PixxelStream):
    """POST /v0/search: images of any provider, a bookmark for each satellite's collection.

    The stream requires the setting `datetime` and an area. The pages have a `next_token`, as the
    API's documentation describes, or a total for `skip`, as its schema does.
    """

    name = "satellite_images"
    path = "/v0/search"
    records_key = "items"
    paging = OffsetPaging(offset_name="skip")
    primary_keys = ("id", "collection")
    selected_by_default = False
    is_archive = False
    raw_table_schema = TableSchema(*ITEM_COLUMNS, _SATELLITE_ID, *RAW_ITEM_COLUMNS)
    stac_table_schema = TableSchema(*ITEM_COLUMNS, _SATELLITE_ID, *STAC_ITEM_COLUMNS)
    _partitions: list[dict[str, Any]] | None = None

    def missing_settings(self) -> list[str]:
        """Return a line for each setting that a search requires and that is not set."""
        lines = []
        if not self.settings.datetime.start:
            lines.append("needs the setting 'datetime' with a start")
        if not self._search_polygons():
            lines.append("needs an area: the setting 'bbox', or 'intersects' with a polygon")
        return lines

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """A partition for each collection of the configured satellites, or of all satellites."""
        if self._partitions is None:
            self._partitions = []
            self._partitions = self._find_partitions()
        return self._partitions

    def filters(self) -> dict[str, Any]:
        """Return the filters of the settings."""
        settings, acquired = self.settings, self.settings.datetime
        return {
            "bbox": list(settings.bbox or ()),
            "intersects": settings.intersects,
            "datetime": f"{acquired.start}/{acquired.end or '..'}",
        }

    def scan_rows(
        self, context: Mapping[str, Any] | None, bookmark: Bookmark | None, report: ScanReport
    ) -> Iterator[RowBatch]:
        """Search the images of a satellite's collection, in all parts of the area.

        Raises:
            BadRequest: The search is rejected.
        """
        del bookmark
        partition, emitted = context or {}, RecentKeys()  # parts of the area share images
        try:
            for polygon in self._search_polygons():
                scan = CursorOrOffsetScan(
                    self._page_fetcher(partition, polygon), self.paging, self.scan_options()
                )
                for rows in report.follow(scan):
                    new = [row for row in rows if emitted.add_if_new(self.key_of(row))]
                    yield RowBatch(new)
        except BadRequest as error:
            raise error.add_hint(FILTERS_HINT) from None

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert an image, without the satellite's id, which is not part of it."""
        return super().convert({name: raw[name] for name in raw if name != _SATELLITE_ID.name})

    def _search_polygons(self) -> list[dict[str, Any]]:
        from tap_pixxel.geojson import to_polygons  # noqa: PLC0415 - shapely takes long to import

        return to_polygons(self.settings.bbox, self.settings.intersects)

    def _page_fetcher(self, context: Mapping[str, Any], polygon: dict[str, Any]) -> FetchTokenPage:
        acquired = self.settings.datetime
        search = {
            "start_date": acquired.start,
            "end_date": acquired.end or format_timestamp(datetime.now(UTC)),
            "satellites": [
                {"collection_id": context["collection"], "satellite_id": context["satellite_id"]}
            ],
            "geometry": polygon,
        }

        def fetch(offset: int, limit: int, token: str | int | None) -> TokenPage:
            # The contract's schema has neither, so the request for the first page has neither.
            position: dict[str, Any] = self.paging.query_for(offset, limit) if offset else {}
            if token is not None:
                position["next_token"] = token
            body = {**search, "limit": limit, **position}
            response = self.client.send_with_retries("POST", self.path, body=body)
            rows = parse_images(response)
            page = Page(offset, rows, self.paging.read_total(response), response.requested_at)
            return TokenPage(page, parse_next_token(response))

        return fetch

    def _find_partitions(self) -> list[dict[str, Any]]:
        """Return the partitions to search; log the configured satellites that do not exist."""
        response = self.send_request("GET", path=Satellites.path)
        wanted = set(self.settings.satellites)
        existing: set[str] = set()
        partitions: list[dict[str, Any]] = []
        for satellite in map(self.parse_row, response.rows(Satellites.records_key)):
            names = {str(satellite.get(name)) for name in ("id", "name")}
            for key in _collection_ids(satellite):
                labels = names | {f"{name}/{key}" for name in names}
                existing |= labels
                partition = {"satellite_id": satellite["id"], "collection": key}
                if (not wanted or labels & wanted) and partition not in partitions:
                    partitions.append(partition)
        for name in sorted(wanted - existing):
            self.logger.warning(
                "%s: the API has no satellite '%s'; check the setting 'satellites'", self.name, name
            )
        return partitions


def _collection_ids(satellite: Fields) -> list[str]:
    """Return the ids of a satellite's collections; [] if its own id is not a text."""
    collections = satellite.get("collections")
    if not isinstance(collections, list) or not _is_id(satellite.get("id")):
        return []
    ids = (each.get("id") for each in collections if isinstance(each, dict))
    return [each for each in ids if _is_id(each)]


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def parse_images(response: JsonResponse) -> list[RawRow]:
    """Return the images of a response, whose `items` is a map by satellite and collection.

    The documentation describes the values as an image, and as several.

    Raises:
        UnexpectedResponse: The response has no such images.
    """
    raw = response.fields.get(SatelliteImages.records_key)
    if raw is None:
        response.raise_for_error()
        return []
    try:
        return [decode_row(image) for part in _list_values(raw) for image in _split_images(part)]
    except msgspec.ValidationError:
        reason = "the response has no 'items' of images"
        raise UnexpectedResponse(
            response.method, response.path, response.status, reason=reason
        ) from None


def _list_values(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the values of a map or list."""
    values = _MAP_OR_LIST.decode(raw) or []
    return list(values.values()) if isinstance(values, dict) else values


def _split_images(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the images of one key, which is an image, a list or a FeatureCollection."""
    found = _MAP_OR_LIST.decode(raw) or []
    if isinstance(found, dict):
        return _list_values(found["features"]) if "features" in found else [raw]
    return found


def parse_next_token(response: JsonResponse) -> str | int | None:
    """Return the token of the next page, which may be a member of `pagination`; None without."""
    paging = response.decode_field("pagination")
    nested = paging.get("next_token") if isinstance(paging, dict) else None
    for token in (response.decode_field("next_token"), nested):
        if isinstance(token, str | int) and token:
            return token
    return None


STREAMS = (SatelliteImages, Satellites)
