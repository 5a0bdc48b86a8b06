"""The tap's settings: declared once, checked before any request, parsed into a dataclass."""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

from pixxel_api.client import DEFAULT_URL
from pixxel_api.timestamps import TimestampError, normalize_timestamp
from pixxel_singer.api_settings import (
    RATE_PROPERTIES,
    parse_base_url,
    parse_finite_number,
    parse_token,
    parse_user_agent,
)
from pixxel_singer.errors import SettingError
from pixxel_singer.settings import Parsers, find_problems, parse_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PAGE_SIZE = 1000  # rows; a page of archive items this long is some 30 MB
MAX_CONCURRENCY = 32
MAX_LOOKBACK = 315_360_000  # seconds; ten years
_BBOX_LENGTH = 4
_HALF_TURN = 180.0
_OPEN_ENDS = frozenset({"", ".."})
UNDATED = "undated"
"""The value of `owned_range` that owns the items without any time."""
_CALENDAR_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_STORE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[a-zA-Z0-9_.-]+(?::[0-9]{1,5})?(?:/[^\s?#]*)?")


def _make_property(
    name: str,
    kind: Any,  # noqa: ANN401 - the SDK's types have no common base
    title: str,
    description: str,
    **more: Any,
) -> th.Property[Any]:
    return th.Property(name, kind, title=title, description=description, **more)


SCHEMA: dict[str, Any] = th.PropertiesList(
    _make_property(
        "api_token",
        th.StringType,
        "API token",
        "Personal access token of the Pixxel workspace to read.",
        required=True,
        secret=True,
    ),
    _make_property(
        "api_url",
        th.StringType,
        "API URL",
        "Base URL of the API, without /v0.",
        default=DEFAULT_URL,
    ),
    _make_property(
        "start_date",
        th.StringType,
        "Start date",
        "Timestamp; without a bookmark, only records updated at or after it are emitted.",
    ),
    _make_property(
        "collections",
        th.ArrayType(th.StringType),
        "Collections",
        "Ids of the archive collections to read; by default all.",
    ),
    _make_property(
        "bbox",
        th.ArrayType(th.NumberType),
        "Bounding box",
        "Only imagery that intersects this box: west, south, east, north in degrees. West may be "
        "greater than east only if the box crosses the antimeridian.",
    ),
    _make_property(
        "intersects",
        th.StringType,
        "Area",
        "Only imagery that intersects this area: GeoJSON, or the path of a GeoJSON file. "
        "Cannot be combined with bbox.",
    ),
    _make_property(
        "datetime",
        th.StringType,
        "Acquisition time",
        "Only imagery acquired in this interval: a timestamp or date, or two separated by a slash; "
        ".. is an open end, and a date, month or year means all of it.",
    ),
    _make_property(
        "owned_range",
        th.StringType,
        "Owned range",
        "Only archive items whose datetime, else start_datetime, is in this range: two timestamps "
        "or dates separated by a slash, the first inclusive, the second exclusive; .. is an open "
        "end. undated reads only the items without any time. For parts of a large sync.",
    ),
    _make_property(
        "satellites",
        th.ArrayType(th.StringType),
        "Satellites",
        "Names or ids of the satellites that the stream satellite_images searches; append a slash "
        "and the id of a collection to search only that collection. By default all.",
    ),
    _make_property(
        "query",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        "Query",
        'Filter on properties, sent to the API unchanged: {"eo:cloud_cover": {"lt": 10}}.',
    ),
    _make_property(
        "page_size",
        th.IntegerType(minimum=1, maximum=MAX_PAGE_SIZE),
        "Page size",
        "Records per request.",
        default=100,
    ),
    _make_property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=MAX_CONCURRENCY),
        "Concurrency",
        "Pages to request concurrently; more than 4 mostly uses more memory.",
        default=4,
    ),
    *RATE_PROPERTIES,
    _make_property(
        "lookback_seconds",
        th.IntegerType(minimum=0, maximum=MAX_LOOKBACK),
        "Lookback",
        "Seconds before the bookmark to emit again, for records that appear late.",
        default=0,
    ),
    _make_property(
        "stac",
        th.BooleanType,
        "STAC",
        "Whether items and collections are emitted as STAC 1.1 in one column each (stac_item, "
        "stac_collection), or as the API returns them.",
        default=True,
    ),
    _make_property(
        "catalog_collection",
        th.StringType,
        "Collection of catalogs",
        "Id of the STAC Collection of the images that the workspace owns; by default the id of the "
        "archive collection with -owned appended.",
    ),
    _make_property(
        "assume_cog",
        th.BooleanType,
        "Assume COG",
        "Whether GeoTIFF assets are declared cloud-optimised in STAC, which the API does not "
        "state; QGIS offers only such assets as layers.",
        default=False,
    ),
    _make_property(
        "delivered_assets",
        th.BooleanType,
        "Delivered assets",
        "Whether the STAC items of catalogs get an asset for each successful delivery, which links "
        "to the object in the bucket; updated_at of catalogs then includes their deliveries.",
        default=False,
    ),
    _make_property(
        "store_urls",
        th.ObjectType(additional_properties=th.StringType),
        "Store URLs",
        "URL of the bucket in links to delivered assets, by the store's name; by default s3:// and "
        "gs:// for stores on S3 and Google Cloud. Stores on Azure need it: "
        '{"archive": "https://account.blob.core.windows.net/container"}.',
    ),
    _make_property(
        "workflow_details",
        th.BooleanType,
        "Workflow details",
        "Whether workflows and jobs get spec, val_errors and the other columns that only a request "
        "for each of them returns: one more request for each workflow or job that is emitted.",
        default=False,
    ),
    _make_property(
        "user_agent",
        th.StringType,
        "User agent",
        "User-Agent header; by default the tap and its version.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class Interval:
    """A time interval, both ends inclusive, in the fixed-width UTC form; None for an open end."""

    start: str | None
    end: str | None

    def overlap(self, other: OwnedRange) -> Interval:
        """Return the interval to request for the items of a range: this one limits the request.

        An item with a time range is in this interval if any part of it is, so it may be owned by a
        range that ends before this interval starts. Then it was acquired at the start, too.

        Returns:
            An interval; its end is before its start if the range begins after this interval.
        """
        start = max((time for time in (self.start, other.start) if time), default=None)
        end = min((time for time in (self.end, other.end) if time), default=None)
        return Interval(start, end and max(end, self.start or end))


@dataclass(frozen=True, slots=True)
class OwnedRange:
    """A half-open range of times, in the fixed-width UTC form; None for an open end.

    Adjacent ranges own each item once. `is_undated` is the range of the items without any time.

    Example:
        >>> OwnedRange("2024-01-01T00:00:00.000000Z", None).owns("2024-01-01T00:00:00.000000Z")
        True
    """

    start: str | None = None
    end: str | None = None
    is_undated: bool = False

    def owns(self, time: str | None) -> bool:
        """Return whether an item of this time is in the range."""
        if time is None or self.is_undated:
            return time is None and self.is_undated
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class TapSettings:
    """The parsed settings.

    Attributes:
        token: Without the prefix "Bearer ".
        start_date: In the fixed-width UTC form.
        intersects: A GeoJSON geometry, 2D.
        Others: As declared in `SCHEMA`.
    """

    token: str
    url: str
    start_date: str | None
    collections: tuple[str, ...]
    bbox: tuple[float, ...] | None
    intersects: dict[str, Any] | None
    datetime: Interval
    owned_range: OwnedRange | None
    satellites: tuple[str, ...]
    query: dict[str, Any]
    page_size: int
    concurrency: int
    requests_per_second: float | None
    request_timeout: float
    lookback_seconds: int
    stac: bool
    catalog_collection: str | None
    assume_cog: bool
    delivered_assets: bool
    store_urls: dict[str, str]
    workflow_details: bool
    user_agent: str | None


def read_settings(config: Mapping[str, Any]) -> TapSettings:
    """Parse settings that are valid by `SCHEMA`.

    Raises:
        SettingError: A setting is invalid; `find_setting_problems` names all that are.
    """
    return parse_settings(TapSettings, _PARSERS, config)


def find_setting_problems(config: Mapping[str, Any]) -> list[str]:
    """Return a line, without the value, for each invalid setting that `SCHEMA` accepts."""
    lines = find_problems(_PARSERS, config)
    if config.get("bbox") is not None and config.get("intersects") is not None:
        lines.append("Settings 'bbox' and 'intersects' exclude each other; remove one of them")
    if not lines and (owned := _parse_owned_range(config.get("owned_range"))):
        window = _parse_interval(config.get("datetime")).overlap(owned)
        if window.start and window.end and window.start > window.end:
            lines.append(
                "Setting 'owned_range' begins after the setting 'datetime' ends; change one"
            )
    return lines


def _parse_timestamp(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return normalize_timestamp(value)
    except TimestampError:
        raise SettingError("must be a date or timestamp such as 2025-01-31T00:00:00Z") from None


def _parse_interval(value: str | None) -> Interval:
    if value is None:
        return Interval(None, None)
    ends = [end.strip() for end in value.split("/")]
    if len(ends) == 1:
        ends *= 2
    try:
        first, last = ends
        start = None if first in _OPEN_ENDS else normalize_timestamp(_calendar_bounds(first)[0])
        end = None if last in _OPEN_ENDS else normalize_timestamp(_calendar_bounds(last)[1])
    except ValueError:
        raise SettingError(
            "must be a timestamp or an interval such as 2025-01-01T00:00:00Z/2025-02-01T00:00:00Z"
        ) from None
    if start is not None and end is not None and start > end:
        raise SettingError("ends before it starts; swap the two timestamps")
    return Interval(start, end)


def _parse_owned_range(value: str | None) -> OwnedRange | None:
    if value is None:
        return None
    if value.strip().lower() == UNDATED:
        return OwnedRange(is_undated=True)
    try:
        first, last = (end.strip() for end in value.split("/"))
        start, end = (
            None if each in _OPEN_ENDS else normalize_timestamp(each) for each in (first, last)
        )
    except ValueError:
        raise SettingError(
            f"must be two timestamps such as 2025-01-01/2025-02-01, or {UNDATED}"
        ) from None
    if start is not None and end is not None and start >= end:
        raise SettingError("is empty: its second timestamp, which is exclusive, must be the later")
    return OwnedRange(start, end)


def _calendar_bounds(text: str) -> tuple[str, str]:
    """Return the first and last time of a year, month or day; for a timestamp, itself twice."""
    match _CALENDAR_DATE.fullmatch(text):
        case None:
            return text, text
        case found:
            year, month, day = found.groups()
    first = f"{year}-{month or '01'}-{day or '01'}"
    last_day = calendar.monthrange(int(year), int(month or 12))[1]
    return first, f"{year}-{month or '12'}-{day or last_day}T23:59:59.999999Z"


def _parse_names(value: list[str] | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value or ()))
    if value is not None and not all(names):
        raise SettingError("has an empty name; remove it")
    if value is not None and not names:
        raise SettingError("is an empty list; remove the setting to read all")
    return names


def _parse_bbox(value: list[float] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    if len(value) != _BBOX_LENGTH or not all(map(math.isfinite, value)):
        raise SettingError("must have four numbers: west, south, east, north in degrees")
    west, south, east, north = value
    if not (-180 <= west <= 180 and -180 <= east <= 180):  # noqa: PLR2004 - degrees
        raise SettingError(
            "has a longitude outside -180 to 180; the order is west, south, east, north"
        )
    if not (-90 <= south <= 90 and -90 <= north <= 90):  # noqa: PLR2004 - degrees
        raise SettingError(
            "has a latitude outside -90 to 90; the order is west, south, east, north"
        )
    if south > north:
        raise SettingError(
            "has a south greater than its north; the order is west, south, east, north"
        )
    if west > east and west - east < _HALF_TURN:
        raise SettingError(
            "has a west greater than its east; the order is west, south, east, north (west may be "
            "greater only where the box crosses the antimeridian)"
        )
    return tuple(value)


def _parse_intersects(value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    from tap_pixxel.geojson import parse_geojson  # noqa: PLC0415 - shapely takes long to import

    if value.lstrip().startswith("{"):
        return parse_geojson(value)
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, RuntimeError, ValueError):  # no such file, no home, a NUL in a path
        raise SettingError("must be GeoJSON or the path of a readable GeoJSON file") from None
    return parse_geojson(text)


def _parse_query(value: dict[str, Any] | None) -> dict[str, Any]:
    query = value or {}
    if not all(isinstance(rule, dict) and rule for rule in query.values()):
        raise SettingError('must map each property to operators, such as {"gsd": {"lt": 6}}')
    return query


def _parse_name(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise SettingError("is empty; remove it")
    return value.strip() if value else None


def _parse_store_urls(value: dict[str, str] | None) -> dict[str, str]:
    urls = {name.strip(): url.strip() for name, url in (value or {}).items()}
    for name, url in urls.items():
        if not name:
            raise SettingError("has an empty store name")
        try:
            usable = _STORE_URL.fullmatch(url) and urlsplit(url).port != 0
        except ValueError:
            usable = False
        if not usable:
            raise SettingError(
                "must map store names to plain base URLs such as https://host/path, without user, "
                "query or fragment"
            )
    return urls


_PARSERS: Parsers = (
    ("token", "api_token", parse_token),
    ("url", "api_url", parse_base_url),
    ("start_date", "start_date", _parse_timestamp),
    ("collections", "collections", _parse_names),
    ("bbox", "bbox", _parse_bbox),
    ("intersects", "intersects", _parse_intersects),
    ("datetime", "datetime", _parse_interval),
    ("owned_range", "owned_range", _parse_owned_range),
    ("satellites", "satellites", _parse_names),
    ("query", "query", _parse_query),
    ("requests_per_second", "requests_per_second", parse_finite_number),
    ("request_timeout", "request_timeout", parse_finite_number),
    ("catalog_collection", "catalog_collection", _parse_name),
    ("store_urls", "store_urls", _parse_store_urls),
    ("user_agent", "user_agent", parse_user_agent),
)
"""Field of `TapSettings`, name of the setting, and its parser."""
