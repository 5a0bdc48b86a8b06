"""The tap's settings: declared once, checked before any request, read into one typed value."""

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
_BBOX = 4
_HALF_TURN = 180.0
_OPEN = frozenset({"", ".."})
_CALENDAR = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_STORE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[a-zA-Z0-9_.-]+(?::[0-9]{1,5})?(?:/[^\s?#]*)?")


def _property(name: str, kind: Any, title: str, description: str, **more: Any) -> th.Property[Any]:  # noqa: ANN401
    return th.Property(name, kind, title=title, description=description, **more)


SCHEMA: dict[str, Any] = th.PropertiesList(
    _property(
        "api_token",
        th.StringType,
        "API token",
        "Personal access token of the Pixxel workspace to read.",
        required=True,
        secret=True,
    ),
    _property(
        "api_url",
        th.StringType,
        "API URL",
        "Base URL of the API, without /v0.",
        default=DEFAULT_URL,
    ),
    _property(
        "start_date",
        th.StringType,
        "Start date",
        "Timestamp; without a bookmark, only records updated at or after it are read.",
    ),
    _property(
        "collections",
        th.ArrayType(th.StringType),
        "Collections",
        "Ids of the archive collections to read; all of them without this.",
    ),
    _property(
        "bbox",
        th.ArrayType(th.NumberType),
        "Bounding box",
        "Only imagery that touches this box: west, south, east, north in degrees. West may be "
        "greater than east only where the box crosses the antimeridian.",
    ),
    _property(
        "intersects",
        th.StringType,
        "Area",
        "Only imagery that touches this area: GeoJSON, or the path of a GeoJSON file. "
        "Not together with bbox.",
    ),
    _property(
        "datetime",
        th.StringType,
        "Acquisition time",
        "Only imagery acquired then: a timestamp or date, or two with a slash between; .. leaves "
        "an end open, and a date, month or year stands for all of it.",
    ),
    _property(
        "satellites",
        th.ArrayType(th.StringType),
        "Satellites",
        "Names or ids of the satellites that the stream satellite_images searches, each with a "
        "slash and a collection's id behind it for that collection alone; all of them without "
        "this.",
    ),
    _property(
        "query",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        "Query",
        'Filter on properties, passed on to the API: {"eo:cloud_cover": {"lt": 10}}.',
    ),
    _property(
        "page_size",
        th.IntegerType(minimum=1, maximum=MAX_PAGE_SIZE),
        "Page size",
        "Records to ask for at once.",
        default=100,
    ),
    _property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=MAX_CONCURRENCY),
        "Concurrency",
        "Pages to read at the same time; more than 4 mostly costs memory.",
        default=4,
    ),
    *RATE_PROPERTIES,
    _property(
        "lookback_seconds",
        th.IntegerType(minimum=0, maximum=MAX_LOOKBACK),
        "Lookback",
        "Seconds before the bookmark to read again, for records that arrive late.",
        default=0,
    ),
    _property(
        "stac",
        th.BooleanType,
        "STAC",
        "Whether items and collections come as STAC 1.1 in one column each (stac_item, "
        "stac_collection), or raw as the API gives them.",
        default=True,
    ),
    _property(
        "catalog_collection",
        th.StringType,
        "Collection of catalogs",
        "Id of the STAC Collection of the images that the workspace owns; without this it is that "
        "of the archive with -owned behind it.",
    ),
    _property(
        "assume_cog",
        th.BooleanType,
        "Assume COG",
        "Whether STAC assets that are GeoTIFFs are called cloud-optimised, which the API does not "
        "state; QGIS offers only such assets as layers.",
        default=False,
    ),
    _property(
        "delivered_assets",
        th.BooleanType,
        "Delivered assets",
        "Whether the STAC items of catalogs get an asset for each successful delivery, which links "
        "to the object in the bucket; updated_at of catalogs then follows their deliveries too.",
        default=False,
    ),
    _property(
        "store_urls",
        th.ObjectType(additional_properties=th.StringType),
        "Store URLs",
        "URL that stands for the bucket in links to delivered assets, by the store's name; stores "
        "on S3 and Google Cloud have s3:// and gs:// without this, those on Azure need it: "
        '{"archive": "https://account.blob.core.windows.net/container"}.',
    ),
    _property(
        "user_agent",
        th.StringType,
        "User agent",
        "User-Agent header; names the tap and its version without this.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time; both ends inclusive, in the fixed-width UTC form, None where open."""

    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as the tap uses them.

    Attributes:
        token: Without a "Bearer " that was pasted along.
        start_date: In the fixed-width UTC form.
        intersects: A GeoJSON geometry, 2D.
        acquired: The setting `datetime`.
        Others: As declared in `SCHEMA`.
    """

    token: str
    url: str
    start_date: str | None
    collections: tuple[str, ...]
    bbox: tuple[float, ...] | None
    intersects: dict[str, Any] | None
    acquired: Interval
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
    user_agent: str | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read settings that obey `SCHEMA`.

    Raises:
        BadSetting: One of them cannot be used; `problems` names all of them.
    """
    return parse_settings(Settings, _PARSERS, config)


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with settings that obey `SCHEMA`, a line each, without their values."""
    found = find_problems(_PARSERS, config)
    if config.get("bbox") is not None and config.get("intersects") is not None:
        found.append("Settings 'bbox' and 'intersects' exclude each other; remove one of them")
    return found


def _timestamp(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return normalize_timestamp(value)
    except TimestampError:
        raise SettingError("is no date or timestamp, such as 2025-01-31T00:00:00Z") from None


def _interval(value: str | None) -> Interval:
    if value is None:
        return Interval(None, None)
    ends = [end.strip() for end in value.split("/")]
    if len(ends) == 1:
        ends *= 2
    try:
        first, last = ends
        start = None if first in _OPEN else normalize_timestamp(_whole(first)[0])
        end = None if last in _OPEN else normalize_timestamp(_whole(last)[1])
    except ValueError:
        raise SettingError(
            "is no timestamp or interval, such as 2025-01-01T00:00:00Z/2025-02-01T00:00:00Z"
        ) from None
    if start is not None and end is not None and start > end:
        raise SettingError("ends before it starts; exchange the two timestamps")
    return Interval(start, end)


def _whole(text: str) -> tuple[str, str]:
    """Give the first and the last moment of a year, month or day; of a timestamp, itself twice."""
    match _CALENDAR.fullmatch(text):
        case None:
            return text, text
        case found:
            year, month, day = found.groups()
    first = f"{year}-{month or '01'}-{day or '01'}"
    last_day = calendar.monthrange(int(year), int(month or 12))[1]
    return first, f"{year}-{month or '12'}-{day or last_day}T23:59:59.999999Z"


def _names(value: list[str] | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value or ()))
    if value is not None and not all(names):
        raise SettingError("holds an empty name; remove it")
    if value is not None and not names:
        raise SettingError("is an empty list; remove it to read all there are")
    return names


def _bbox(value: list[float] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    if len(value) != _BBOX or not all(map(math.isfinite, value)):
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


def _area(value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    from tap_pixxel.area import read_area  # noqa: PLC0415 - shapely takes long to import

    if value.lstrip().startswith("{"):
        return read_area(value)
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError):  # no such file, no home, a NUL in a path
        raise SettingError("is neither GeoJSON nor the path of a readable GeoJSON file") from None
    return read_area(text)


def _query(value: dict[str, Any] | None) -> dict[str, Any]:
    query = value or {}
    if not all(isinstance(rule, dict) and rule for rule in query.values()):
        raise SettingError('must map each property to operators, such as {"gsd": {"lt": 6}}')
    return query


def _name(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise SettingError("is empty; remove it")
    return value.strip() if value else None


def _store_urls(value: dict[str, str] | None) -> dict[str, str]:
    urls = {name.strip(): url.strip() for name, url in (value or {}).items()}
    for name, url in urls.items():
        if not name:
            raise SettingError("names a store with an empty text")
        try:
            usable = _STORE_URL.fullmatch(url) and urlsplit(url).port != 0
        except ValueError:
            usable = False
        if not usable:
            raise SettingError(
                "must map names of stores to plain base URLs of the form https://host/path, "
                "without user, query or fragment"
            )
    return urls


_PARSERS: Parsers = (
    ("token", "api_token", parse_token),
    ("url", "api_url", parse_base_url),
    ("start_date", "start_date", _timestamp),
    ("collections", "collections", _names),
    ("bbox", "bbox", _bbox),
    ("intersects", "intersects", _area),
    ("acquired", "datetime", _interval),
    ("satellites", "satellites", _names),
    ("query", "query", _query),
    ("requests_per_second", "requests_per_second", parse_finite_number),
    ("request_timeout", "request_timeout", parse_finite_number),
    ("catalog_collection", "catalog_collection", _name),
    ("store_urls", "store_urls", _store_urls),
    ("user_agent", "user_agent", parse_user_agent),
)
"""Field of `Settings`, name of the setting, and what reads and checks it."""
