"""Satellites that can be searched, also other providers', and the images that a search finds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from pixxel_api.errors import BadRequest, Forbidden, NotFound, UnexpectedResponse
from pixxel_api.json_decoding import decode_row
from pixxel_api.pagination.cursor_scan import CursorOrOffsetScan, TokenPage
from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page, SinglePage
from pixxel_api.timestamps import format_timestamp
from tap_pixxel.base import PixxelStream
from tap_pixxel.items import COLUMNS, RAW, ItemStream
from tap_pixxel.reading import Reading
from tap_pixxel.schema import OBJECT, OBJECTS, TEXT, Column, Shape
from tap_pixxel.search import ADVICE
from tap_pixxel.stac_columns import STAC_ITEM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.cursor_scan import FetchTokenPage
    from pixxel_api.response import JsonResponse
    from tap_pixxel.base import Fields
    from tap_pixxel.stac import ConversionResult

_SATELLITE_ID = Column("satellite_id", TEXT, "Id of the satellite that was searched.")
_EITHER = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw] | None)


class Satellites(PixxelStream):
    """GET /v0/satellites: satellites that can be searched, and their collections."""

    name = "satellites"
    path = "/v0/satellites"
    records_key = "satellites"
    paging = SinglePage()
    selected_by_default = False
    shape = Shape(
        Column("id", TEXT, "Id of the satellite."),
        Column("name", TEXT, "Name."),
        Column("bands", OBJECTS, "Bands: name, wavelength, resolution in metres, scale, offset."),
        Column("collections", OBJECTS, "Collections of its images: id, name, provider."),
        Column("rgb_composite", OBJECT, "Bands that make a picture: red, green, blue."),
    )


class SatelliteImages(ItemStream, PixxelStream):
    """POST /v0/search: images of any provider, a bookmark for each satellite's collection.

    The setting `datetime` and an area are needed. The answers come page by page with a
    `next_token`, as the API's prose has it, or with a total and `skip`, as its schema has it.
    """

    name = "satellite_images"
    path = "/v0/search"
    records_key = "items"
    paging = OffsetPaging(offset_name="skip")
    primary_keys = ("id", "collection")
    selected_by_default = False
    archived = False
    raw_shape = Shape(*COLUMNS, _SATELLITE_ID, *RAW)
    stac_shape = Shape(*COLUMNS, _SATELLITE_ID, *STAC_ITEM)
    _searched: list[dict[str, Any]] | None = None
    _read = False

    @cached_property
    def _reading(self) -> Reading:
        return Reading(self.name, self.logger)

    def needs(self) -> list[str]:
        """Say which settings a search cannot do without."""
        lacking = []
        if not self.settings.acquired.start:
            lacking.append("needs the setting 'datetime', with a beginning")
        if not self._areas():
            lacking.append("needs an area: the setting 'bbox', or 'intersects' with a polygon")
        return lacking

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """A partition for each collection of the satellites, those of the settings or all."""
        if self._searched is None:
            self._searched = []
            self._searched = self._existing()
        return self._searched

    def filters(self) -> dict[str, Any]:
        """Give the filters of the settings."""
        settings, acquired = self.settings, self.settings.acquired
        return {
            "bbox": list(settings.bbox or ()),
            "intersects": settings.intersects,
            "datetime": f"{acquired.start}/{acquired.end or '..'}",
        }

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read the images of a satellite's collection; one that may not be read is left out."""
        if context is None:  # no satellite is searched
            return
        try:
            yield from self._images_of(context)
        except (Forbidden, NotFound) as error:
            self._reading.leave_out({name: str(context[name]) for name in context}, error)
        except BadRequest as error:
            raise error.add_hint(ADVICE) from None

    def _images_of(self, context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Read the images of a satellite's collection, in all parts of the area."""
        bookmark = self.bookmark(context)
        given = {name: context[name] for name in ("collection", "satellite_id")}
        whole, met = True, RecentKeys()  # parts of the area share images
        for area in self._areas():
            sweep = CursorOrOffsetScan(
                self._fetch_in(context, area), self.paging, **self.sweep_options()
            )
            for rows in sweep:
                if bookmark:
                    bookmark.begin(sweep.started_at)
                new = [row for row in rows if met.add_if_new(self.key_of(row))]
                yield from self.records(new, bookmark, given)
            whole = whole and sweep.complete
        self.finish(bookmark, whole=whole)
        self._read = True

    def remark(self) -> None:
        """Say also what was left out; all of it is as a stream that may not be read."""
        super().remark()
        self._reading.remark()
        if self._reading.refusal and not self._read:
            self._pixxel.unreadable[self.name] = str(self._reading.refusal)

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert an image; the satellite's id is not its own."""
        return super().convert({name: raw[name] for name in raw if name != _SATELLITE_ID.name})

    def _areas(self) -> list[dict[str, Any]]:
        from tap_pixxel.area import polygons  # noqa: PLC0415 - shapely takes long to import

        return polygons(self.settings.bbox, self.settings.intersects)

    def _fetch_in(self, context: Mapping[str, Any], area: dict[str, Any]) -> FetchTokenPage:
        acquired = self.settings.acquired
        search = {
            "start_date": acquired.start,
            "end_date": acquired.end or format_timestamp(datetime.now(UTC)),
            "satellites": [
                {"collection_id": context["collection"], "satellite_id": context["satellite_id"]}
            ],
            "geometry": area,
        }

        def fetch(offset: int, limit: int, token: str | int | None) -> TokenPage:
            # Neither is in the contract's schema of the request, so a first page asks for neither.
            place: dict[str, Any] = self.paging.query_for(offset, limit) if offset else {}
            if token is not None:
                place["next_token"] = token
            body = {**search, "limit": limit, **place}
            answer = self.client.send_with_retries("POST", self.path, body=body)
            rows = images_in(answer)
            page = Page(offset, rows, self.paging.read_total(answer), answer.requested_at)
            return TokenPage(page, next_token(answer))

        return fetch

    def _existing(self) -> list[dict[str, Any]]:
        """Name the collections of the satellites, warning of those that the API does not have."""
        answer = self.ask("GET", path=Satellites.path)
        wanted = set(self.settings.satellites)
        there: set[str] = set()
        found = []
        for satellite in map(self.parsed, answer.rows(Satellites.records_key)):
            names = {str(satellite.get(name)) for name in ("id", "name")}
            for key in _collections_of(satellite):
                known_as = names | {f"{name}/{key}" for name in names}
                there |= known_as
                context = {"satellite_id": satellite["id"], "collection": key}
                if (not wanted or known_as & wanted) and context not in found:
                    found.append(context)
        for name in sorted(wanted - there):
            self.logger.warning(
                "%s: the API has no satellite '%s'; check the setting 'satellites'", self.name, name
            )
        return found


def _collections_of(satellite: Fields) -> list[str]:
    """Give the ids of a satellite's collections; none where they or its own are no texts."""
    collections = satellite.get("collections")
    if not isinstance(collections, list) or not _is_id(satellite.get("id")):
        return []
    ids = (each.get("id") for each in collections if isinstance(each, dict))
    return [each for each in ids if _is_id(each)]


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def images_in(answer: JsonResponse) -> list[RawRow]:
    """Take the images out of an answer, whose `items` is a map by satellite and collection.

    What stands under a key has been described as an image, and as several.

    Raises:
        WrongShape: It is nothing of the kind.
    """
    raw = answer.fields.get(SatelliteImages.records_key)
    if raw is None:
        answer.raise_for_error()
        return []
    try:
        return [decode_row(image) for part in _parts(raw) for image in _images(part)]
    except msgspec.ValidationError:
        reason = "the answer has no 'items' of images"
        raise UnexpectedResponse(answer.method, answer.path, answer.status, reason=reason) from None


def _parts(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Give what a map or a list holds."""
    parts = _EITHER.decode(raw) or []
    return list(parts.values()) if isinstance(parts, dict) else parts


def _images(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Give the images under a key: one, a list, or a collection of features."""
    found = _EITHER.decode(raw) or []
    if isinstance(found, dict):
        return _parts(found["features"]) if "features" in found else [raw]
    return found


def next_token(answer: JsonResponse) -> str | int | None:
    """Read the token of the next page, which may stand beside the total."""
    paging = answer.decode_field("pagination")
    beside = paging.get("next_token") if isinstance(paging, dict) else None
    for token in (answer.decode_field("next_token"), beside):
        if isinstance(token, str | int) and token:
            return token
    return None


STREAMS = (SatelliteImages, Satellites)
