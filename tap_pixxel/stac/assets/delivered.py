"""Add the objects that were delivered to a customer's bucket as assets of their item."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.timestamps import FIRST_YEAR_OF_TIMES, TimestampError, normalize_timestamp
from tap_pixxel.stac.assets.media_types import COG, GEOTIFF, MEDIA_TYPE_BY_SUFFIX, find_suffix
from tap_pixxel.stac.hrefs import make_absolute, quote_path, quote_segment
from tap_pixxel.stac.object_builder import PIXXEL_PREFIX
from tap_pixxel.stac.parsers import parse_text, replace_lone_surrogates, unwrap_repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUCCEEDED_STATUSES = frozenset({"SUCCESS", "SUCCESSFUL", "COMPLETED"})
"""Upper-case statuses of a delivery that succeeded; older releases wrote the last two."""
SCHEME_BY_STORE_TYPE = {"S3": "s3", "GCS": "gs"}
"""Scheme of an href by the type of the store; other types require a URL in the settings."""
ROLES_BY_MEDIA_TYPE = {"application/zip": ["data", "archive"]}
"""Roles by media type; all other types have the role `data`."""
KEY_PREFIX = "delivery-"
UNKNOWN_STORE = "to a store that no longer exists"
NO_URL = "to a store without a known URL (see the setting 'store_urls')"
INCOMPLETE = "without a catalog, an id or a path"
_DIGEST_CHARACTERS = 12


class StoreLocation(NamedTuple):
    """The location that a store delivers to.

    Attributes:
        store_id: id of the store.
        name: name of the store, or its id when it has no name.
        asset_key: key of the store's first asset in an item.
        url: URL that the keys of its objects are relative to, without a slash at the end; None
            when it is unknown.
    """

    store_id: str
    name: str
    asset_key: str
    url: str | None


class DeliveredObject(NamedTuple):
    """An object that was delivered; small, because a workspace may have 100,000 deliveries.

    Attributes:
        location: location of the store, shared by all deliveries to it.
        asset_key: key of its asset.
        path: path of the object below the location, as in the bucket.
        delivery_id: id of the delivery.
        updated: time of the delivery's last update, in the fixed-width UTC form; None when the
            API does not state it.
    """

    location: StoreLocation
    asset_key: str
    path: str
    delivery_id: str
    updated: str | None


class DeliveredObjects(NamedTuple):
    """Delivered objects by catalog, and the number of deliveries without an asset by reason."""

    by_catalog: dict[str, tuple[DeliveredObject, ...]]
    skipped: Counter[str]


def find_delivered_objects(
    deliveries: Iterable[dict[str, Any]],
    stores: Iterable[dict[str, Any]],
    urls: Mapping[str, str],
) -> DeliveredObjects:
    """Find the objects that the successful deliveries wrote.

    An object that was delivered twice counts once, as its newest delivery. The first object that
    was delivered to a store has the key `delivery-<store>`; the keys of the others end with a
    digest of their path alone, so that a later delivery never renames an asset.

    Args:
        deliveries: rows of GET /v0/catalogs/deliveries; read one by one.
        stores: rows of GET /v0/stores.
        urls: URL that replaces the bucket of a store, by the store's name.
    """
    locations = _read_locations(stores, urls)
    by_catalog: dict[str, list[DeliveredObject]] = {}
    skipped: Counter[str] = Counter()
    for each in deliveries:
        status = each.get("status")
        if not isinstance(status, str) or status.strip().upper() not in SUCCEEDED_STATUSES:
            continue
        catalog, delivered = _read_text(each.get("catalog_id")), _read_delivery(each, locations)
        if isinstance(delivered, str) or catalog is None:
            skipped[delivered if isinstance(delivered, str) else INCOMPLETE] += 1
        else:
            by_catalog.setdefault(catalog, []).append(delivered)
    return DeliveredObjects(
        {catalog: _keep_newest(each) for catalog, each in by_catalog.items()}, skipped
    )


def add_delivery_assets(
    item: dict[str, Any], delivered: Iterable[DeliveredObject], *, assume_cog: bool = False
) -> dict[str, Any]:
    """Return a copy of an item with an asset for each delivered object after its own assets.

    Args:
        item: a converted STAC Item; it is not changed.
        delivered: the item's delivered objects.
        assume_cog: declare GeoTIFFs cloud-optimized.
    """
    assets = dict(item["assets"])
    for each in delivered:
        key, count = each.asset_key, 1
        while key in assets:
            count += 1
            key = f"{each.asset_key}_{count}"
        assets[key] = _make_asset(each, assume_cog=assume_cog)
    return {**item, "assets": assets}


def last_updated(item_updated: object, delivered: Iterable[DeliveredObject]) -> str | None:
    """Return the time of the last update of an item or its deliveries, in fixed-width UTC form.

    The result is None when one of the times is unknown: otherwise changes without a time would go
    unnoticed.

    Args:
        item_updated: the item's own time, as the API states it.
        delivered: the item's delivered objects.
    """
    last = _read_timestamp(item_updated)
    for each in delivered:
        if last is None or each.updated is None:
            return None
        last = max(last, each.updated)
    return last


def _make_asset(delivered: DeliveredObject, *, assume_cog: bool) -> dict[str, Any]:
    location, _, path, delivery_id, updated = delivered
    href = f"{location.url}/{quote_path(path)}"
    media_type = MEDIA_TYPE_BY_SUFFIX.get(find_suffix(href))
    fields: dict[str, Any] = {"href": href, "title": _make_title(location)}
    if media_type:
        fields["type"] = COG if assume_cog and media_type == GEOTIFF else media_type
    fields["roles"] = list(ROLES_BY_MEDIA_TYPE.get(media_type or "", ["data"]))
    if updated:
        fields["updated"] = updated
    return fields | {
        f"{PIXXEL_PREFIX}delivery_id": delivery_id,
        f"{PIXXEL_PREFIX}store_id": location.store_id,
    }


def _make_title(location: StoreLocation) -> str:
    title: str = unwrap_repaired(parse_text(f"Delivery to {location.name}"))
    return title.strip()


def _read_locations(
    stores: Iterable[dict[str, Any]], urls: Mapping[str, str]
) -> dict[str, StoreLocation]:
    locations = {}
    for store in stores:
        store_id = _read_text(store.get("id"))
        if store_id is not None:
            name = _read_text(store.get("name")) or store_id
            url = _store_url(store, urls.get(name))
            locations[store_id] = StoreLocation(store_id, name, f"{KEY_PREFIX}{name}", url)
    return locations


def _store_url(store: dict[str, Any], url_in_settings: str | None) -> str | None:
    configs = store.get("configs")
    if not isinstance(configs, dict):
        configs = {}
    store_type, bucket = _read_text(store.get("type")), _read_text(configs.get("bucket"))
    if url_in_settings:
        base = make_absolute(url_in_settings)
    elif store_type and store_type.upper() in SCHEME_BY_STORE_TYPE and bucket:
        base = f"{SCHEME_BY_STORE_TYPE[store_type.upper()]}://{quote_segment(bucket)}"
    else:
        base = None
    prefix = configs.get("path_prefix")
    if base is None or not isinstance(prefix, str | None):
        return None
    return "/".join(part for part in (base.rstrip("/"), quote_path(_join_key(prefix))) if part)


def _read_delivery(
    delivery: dict[str, Any], locations: Mapping[str, StoreLocation]
) -> DeliveredObject | str:
    """Return the object of a delivery, or the reason why it makes no asset."""
    cloud = delivery.get("cloud_delivery")
    if not isinstance(cloud, dict):
        cloud = {}
    delivery_id, path = _read_text(delivery.get("delivery_id")), cloud.get("path")
    raw_target = delivery.get("target_path")
    target = _join_key(raw_target) if isinstance(raw_target, str) else ""
    if delivery_id is None or not target.strip() or not isinstance(path, str | None):
        return INCOMPLETE
    location = locations.get(_read_text(cloud.get("config")) or "")
    if location is None:
        return UNKNOWN_STORE
    if location.url is None:
        return NO_URL
    updated = _read_timestamp(delivery.get("updated_at"))
    return DeliveredObject(
        location, location.asset_key, _join_key(path, target), delivery_id, updated
    )


def _keep_newest(delivered: list[DeliveredObject]) -> tuple[DeliveredObject, ...]:
    """Return the newest delivery of each object, in the order of the objects' first delivery."""
    if len(delivered) > 1:
        delivered.sort(
            key=lambda each: (each.updated is None, each.updated or "", each.delivery_id)
        )
    newest: dict[tuple[str, str | None, str], DeliveredObject] = {}
    for each in delivered:  # a dict keeps the position of a member that is replaced
        newest[each.asset_key, each.location.url, each.path] = each
    used_keys: set[str] = set()
    objects = []
    for each in newest.values():
        if each.asset_key in used_keys:
            key = f"{each.asset_key}-{_digest(each.path)}"
            objects.append(each._replace(asset_key=key))
        else:
            used_keys.add(each.asset_key)
            objects.append(each)
    return tuple(objects)


def _digest(path: str) -> str:
    return sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]


def _join_key(*parts: str | None) -> str:
    """Join parts of an object's key by single slashes: `x`, `x/` and `/x` are the same."""
    return "/".join(name for part in parts if part for name in part.split("/") if name)


def _read_text(value: object) -> str | None:
    return replace_lone_surrogates(value).strip() or None if isinstance(value, str) else None


def _read_timestamp(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        time = normalize_timestamp(value)
    except TimestampError:
        return None
    return time if time >= FIRST_YEAR_OF_TIMES else None
