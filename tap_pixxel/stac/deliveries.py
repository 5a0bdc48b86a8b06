"""Deliveries: where in a customer's bucket an image lies, as assets of the item it stands for."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from tap_pixxel.stac.draft import OWN, clear_name
from tap_pixxel.stac.hrefs import absolute, quoted, quoted_path
from tap_pixxel.stac.media import BY_SUFFIX, COG, GEOTIFF, suffix
from tap_pixxel.stac.values import Mended, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUCCEEDED: Final = frozenset({"SUCCESS", "SUCCESSFUL", "COMPLETED"})
"""Statuses, in capitals, of a delivery that arrived; the last two are older words."""
SCHEMES: Final = {"S3": "s3", "GCS": "gs"}
"""Scheme of an href by the type of the store; others need a URL of their own."""
ROLES: Final = {"application/zip": ["data", "archive"]}
"""Roles by media type; all else is ``data``."""
KEY: Final = "delivery-"
UNKNOWN_STORE: Final = "to a store that is not there any more"
NO_URL: Final = "to a store of which no URL is known (setting 'store_urls')"
INCOMPLETE: Final = "without a catalog, an id or a path"
_DIGITS: Final = 12


class Place(NamedTuple):
    """Where a store delivers to.

    Attributes:
        id: of the store.
        name: of the store, its id where it has none.
        key: of its first asset in an item.
        url: that its objects' keys are relative to, without a slash at its end; None when
            unknown.
    """

    id: str
    name: str
    key: str
    url: str | None


class Delivered(NamedTuple):
    """A delivery that arrived; small, as a workspace may have a hundred thousand.

    Attributes:
        place: shared by all deliveries to that store.
        key: of its asset.
        path: of the object below the place, as it is in the bucket.
        id: of the delivery.
        updated: when it was last updated, in the fixed-width UTC form; None when not told.
    """

    place: Place
    key: str
    path: str
    id: str
    updated: str | None


class Arrived(NamedTuple):
    """What was delivered: by catalog, and how many deliveries make no asset, by reason."""

    by_catalog: dict[str, tuple[Delivered, ...]]
    left_out: Counter[str]


def delivered_assets(
    deliveries: Iterable[dict[str, Any]],
    stores: Iterable[dict[str, Any]],
    urls: Mapping[str, str],
) -> Arrived:
    """Find where the catalogs were delivered to.

    One object delivered twice counts once, as the newest delivery. The object that was first
    delivered to a store has the key ``delivery-<store>``; the key of another one there ends with
    digits that depend on its path alone, so that no later delivery renames an asset.

    Args:
        deliveries: as GET /v0/catalogs/deliveries gives them; taken one by one.
        stores: as GET /v0/stores gives them.
        urls: what stands for the bucket of a store, by the store's name.
    """
    places = _places(stores, urls)
    found: dict[str, list[Delivered]] = {}
    left_out: Counter[str] = Counter()
    for each in deliveries:
        status = each.get("status")
        if not isinstance(status, str) or status.strip().upper() not in SUCCEEDED:
            continue
        catalog, made = _text(each.get("catalog_id")), _delivered(each, places)
        if isinstance(made, str) or catalog is None:
            left_out[made if isinstance(made, str) else INCOMPLETE] += 1
        else:
            found.setdefault(catalog, []).append(made)
    return Arrived({catalog: _distinct(each) for catalog, each in found.items()}, left_out)


def with_deliveries(
    item: dict[str, Any], delivered: Iterable[Delivered], *, assume_cog: bool = False
) -> dict[str, Any]:
    """Give an item with an asset for each delivery behind its own; the item stays as it is.

    Args:
        item: a STAC Item, converted.
        delivered: what was delivered of it.
        assume_cog: call GeoTIFFs cloud-optimised.
    """
    assets = dict(item["assets"])
    for each in delivered:
        key, count = each.key, 1
        while key in assets:
            count += 1
            key = f"{each.key}_{count}"
        assets[key] = _asset(each, assume_cog=assume_cog)
    return {**item, "assets": assets}


def last_change(own: object, delivered: Iterable[Delivered]) -> str | None:
    """Give when an item or its deliveries were last updated, in the fixed-width UTC form.

    None when one of the times is not told: what changes there would go unnoticed beside others.

    Args:
        own: the item's own time, as the API states it.
        delivered: the deliveries that make assets of it.
    """
    last = _stamp(own)
    for each in delivered:
        if last is None or each.updated is None:
            return None
        last = max(last, each.updated)
    return last


def _asset(delivered: Delivered, *, assume_cog: bool) -> dict[str, Any]:
    place, _, path, key, updated = delivered
    href = f"{place.url}/{quoted_path(path)}"
    kind = BY_SUFFIX.get(suffix(href))
    fields: dict[str, Any] = {"href": href, "title": _title(place)}
    if kind:
        fields["type"] = COG if assume_cog and kind == GEOTIFF else kind
    fields["roles"] = list(ROLES.get(kind or "", ["data"]))
    if updated:
        fields["updated"] = updated
    return fields | {f"{OWN}delivery_id": key, f"{OWN}store_id": place.id}


def _title(place: Place) -> str:
    read = text(f"Delivery to {place.name}")
    title: str = read.value if type(read) is Mended else read
    return title.strip()


def _places(stores: Iterable[dict[str, Any]], urls: Mapping[str, str]) -> dict[str, Place]:
    places = {}
    for store in stores:
        key = _text(store.get("id"))
        if key is not None:
            name = _text(store.get("name")) or key
            places[key] = Place(key, name, f"{KEY}{name}", _url(store, urls.get(name)))
    return places


def _url(store: dict[str, Any], given: str | None) -> str | None:
    configs = store.get("configs")
    if not isinstance(configs, dict):
        configs = {}
    kind, bucket = _text(store.get("type")), _text(configs.get("bucket"))
    if given:
        base = absolute(given)
    elif kind and kind.upper() in SCHEMES and bucket:
        base = f"{SCHEMES[kind.upper()]}://{quoted(bucket)}"
    else:
        base = None
    prefix = configs.get("path_prefix")
    if base is None or not isinstance(prefix, str | None):
        return None
    return "/".join(part for part in (base.rstrip("/"), quoted_path(_joined(prefix))) if part)


def _delivered(delivery: dict[str, Any], places: Mapping[str, Place]) -> Delivered | str:
    """Read a delivery; where it makes no asset, give the reason."""
    cloud = delivery.get("cloud_delivery")
    if not isinstance(cloud, dict):
        cloud = {}
    key, path = _text(delivery.get("delivery_id")), cloud.get("path")
    target = delivery.get("target_path")
    below = _joined(target) if isinstance(target, str) else ""
    if key is None or not below.strip() or not isinstance(path, str | None):
        return INCOMPLETE
    place = places.get(_text(cloud.get("config")) or "")
    if place is None:
        return UNKNOWN_STORE
    if place.url is None:
        return NO_URL
    return Delivered(
        place, place.key, _joined(path, below), key, _stamp(delivery.get("updated_at"))
    )


def _distinct(found: list[Delivered]) -> tuple[Delivered, ...]:
    """Give the newest delivery of each object, the object that arrived first in front."""
    if len(found) > 1:
        found.sort(key=lambda each: (each.updated is None, each.updated or "", each.id))
    newest: dict[tuple[str, str | None, str], Delivered] = {}
    for each in found:  # a member written over keeps its place
        newest[each.key, each.place.url, each.path] = each
    firsts: set[str] = set()
    made = []
    for each in newest.values():
        first = each.key not in firsts
        firsts.add(each.key)
        made.append(each if first else each._replace(key=f"{each.key}-{_digits(each.path)}"))
    return tuple(made)


def _digits(path: str) -> str:
    return sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _joined(*parts: str | None) -> str:
    """Join parts of an object's key by single slashes: ``x``, ``x/`` and ``/x`` are one."""
    return "/".join(name for part in parts if part for name in part.split("/") if name)


def _text(value: object) -> str | None:
    return clear_name(value).strip() or None if isinstance(value, str) else None


def _stamp(value: object) -> str | None:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else None
    except TimestampError:
        return None
