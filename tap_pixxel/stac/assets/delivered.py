"""Deliveries: where in a customer's bucket an image lies, as assets of the item it stands for."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from tap_pixxel.stac.assets.media_types import COG, GEOTIFF, MEDIA_TYPE_BY_SUFFIX, find_suffix
from tap_pixxel.stac.hrefs import make_absolute, quote_path, quote_segment
from tap_pixxel.stac.object_builder import PIXXEL_PREFIX, replace_lone_surrogates
from tap_pixxel.stac.parsers import Repaired, parse_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUCCEEDED_STATUSES: Final = frozenset({"SUCCESS", "SUCCESSFUL", "COMPLETED"})
"""Statuses, in capitals, of a delivery that arrived; the last two are older words."""
SCHEME_BY_STORE_TYPE: Final = {"S3": "s3", "GCS": "gs"}
"""Scheme of an href by the type of the store; others need a URL of their own."""
ROLES_BY_MEDIA_TYPE: Final = {"application/zip": ["data", "archive"]}
"""Roles by media type; all else is ``data``."""
KEY_PREFIX: Final = "delivery-"
UNKNOWN_STORE: Final = "to a store that is not there any more"
NO_URL: Final = "to a store of which no URL is known (setting 'store_urls')"
INCOMPLETE: Final = "without a catalog, an id or a path"
_DIGEST_CHARACTERS: Final = 12


class StoreLocation(NamedTuple):
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


class DeliveredObject(NamedTuple):
    """A delivery that arrived; small, as a workspace may have a hundred thousand.

    Attributes:
        place: shared by all deliveries to that store.
        key: of its asset.
        path: of the object below the place, as it is in the bucket.
        id: of the delivery.
        updated: when it was last updated, in the fixed-width UTC form; None when not told.
    """

    location: StoreLocation
    key: str
    path: str
    id: str
    updated: str | None


class DeliveredObjects(NamedTuple):
    """What was delivered: by catalog, and how many deliveries make no asset, by reason."""

    by_catalog: dict[str, tuple[DeliveredObject, ...]]
    skipped: Counter[str]


def find_delivered_objects(
    deliveries: Iterable[dict[str, Any]],
    stores: Iterable[dict[str, Any]],
    urls: Mapping[str, str],
) -> DeliveredObjects:
    """Find where the catalogs were delivered to.

    One object delivered twice counts once, as the newest delivery. The object that was first
    delivered to a store has the key ``delivery-<store>``; the key of another one there ends with
    digits that depend on its path alone, so that no later delivery renames an asset.

    Args:
        deliveries: as GET /v0/catalogs/deliveries gives them; taken one by one.
        stores: as GET /v0/stores gives them.
        urls: what stands for the bucket of a store, by the store's name.
    """
    places = _read_locations(stores, urls)
    found: dict[str, list[DeliveredObject]] = {}
    left_out: Counter[str] = Counter()
    for each in deliveries:
        status = each.get("status")
        if not isinstance(status, str) or status.strip().upper() not in SUCCEEDED_STATUSES:
            continue
        catalog, made = _read_text(each.get("catalog_id")), _read_delivery(each, places)
        if isinstance(made, str) or catalog is None:
            left_out[made if isinstance(made, str) else INCOMPLETE] += 1
        else:
            found.setdefault(catalog, []).append(made)
    return DeliveredObjects(
        {catalog: _keep_newest(each) for catalog, each in found.items()}, left_out
    )


def add_delivery_assets(
    item: dict[str, Any], delivered: Iterable[DeliveredObject], *, assume_cog: bool = False
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
        assets[key] = _make_asset(each, assume_cog=assume_cog)
    return {**item, "assets": assets}


def last_updated(own: object, delivered: Iterable[DeliveredObject]) -> str | None:
    """Give when an item or its deliveries were last updated, in the fixed-width UTC form.

    None when one of the times is not told: what changes there would go unnoticed beside others.

    Args:
        own: the item's own time, as the API states it.
        delivered: the deliveries that make assets of it.
    """
    last = _read_timestamp(own)
    for each in delivered:
        if last is None or each.updated is None:
            return None
        last = max(last, each.updated)
    return last


def _make_asset(delivered: DeliveredObject, *, assume_cog: bool) -> dict[str, Any]:
    place, _, path, key, updated = delivered
    href = f"{place.url}/{quote_path(path)}"
    kind = MEDIA_TYPE_BY_SUFFIX.get(find_suffix(href))
    fields: dict[str, Any] = {"href": href, "title": _make_title(place)}
    if kind:
        fields["type"] = COG if assume_cog and kind == GEOTIFF else kind
    fields["roles"] = list(ROLES_BY_MEDIA_TYPE.get(kind or "", ["data"]))
    if updated:
        fields["updated"] = updated
    return fields | {f"{PIXXEL_PREFIX}delivery_id": key, f"{PIXXEL_PREFIX}store_id": place.id}


def _make_title(place: StoreLocation) -> str:
    read = parse_text(f"Delivery to {place.name}")
    title: str = read.value if type(read) is Repaired else read
    return title.strip()


def _read_locations(
    stores: Iterable[dict[str, Any]], urls: Mapping[str, str]
) -> dict[str, StoreLocation]:
    places = {}
    for store in stores:
        key = _read_text(store.get("id"))
        if key is not None:
            name = _read_text(store.get("name")) or key
            places[key] = StoreLocation(
                key, name, f"{KEY_PREFIX}{name}", _store_url(store, urls.get(name))
            )
    return places


def _store_url(store: dict[str, Any], given: str | None) -> str | None:
    configs = store.get("configs")
    if not isinstance(configs, dict):
        configs = {}
    kind, bucket = _read_text(store.get("type")), _read_text(configs.get("bucket"))
    if given:
        base = make_absolute(given)
    elif kind and kind.upper() in SCHEME_BY_STORE_TYPE and bucket:
        base = f"{SCHEME_BY_STORE_TYPE[kind.upper()]}://{quote_segment(bucket)}"
    else:
        base = None
    prefix = configs.get("path_prefix")
    if base is None or not isinstance(prefix, str | None):
        return None
    return "/".join(part for part in (base.rstrip("/"), quote_path(_join_key(prefix))) if part)


def _read_delivery(
    delivery: dict[str, Any], places: Mapping[str, StoreLocation]
) -> DeliveredObject | str:
    """Read a delivery; where it makes no asset, give the reason."""
    cloud = delivery.get("cloud_delivery")
    if not isinstance(cloud, dict):
        cloud = {}
    key, path = _read_text(delivery.get("delivery_id")), cloud.get("path")
    target = delivery.get("target_path")
    below = _join_key(target) if isinstance(target, str) else ""
    if key is None or not below.strip() or not isinstance(path, str | None):
        return INCOMPLETE
    place = places.get(_read_text(cloud.get("config")) or "")
    if place is None:
        return UNKNOWN_STORE
    if place.url is None:
        return NO_URL
    return DeliveredObject(
        place, place.key, _join_key(path, below), key, _read_timestamp(delivery.get("updated_at"))
    )


def _keep_newest(found: list[DeliveredObject]) -> tuple[DeliveredObject, ...]:
    """Give the newest delivery of each object, the object that arrived first in front."""
    if len(found) > 1:
        found.sort(key=lambda each: (each.updated is None, each.updated or "", each.id))
    newest: dict[tuple[str, str | None, str], DeliveredObject] = {}
    for each in found:  # a member written over keeps its place
        newest[each.key, each.location.url, each.path] = each
    firsts: set[str] = set()
    made = []
    for each in newest.values():
        first = each.key not in firsts
        firsts.add(each.key)
        made.append(each if first else each._replace(key=f"{each.key}-{_digest(each.path)}"))
    return tuple(made)


def _digest(path: str) -> str:
    return sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]


def _join_key(*parts: str | None) -> str:
    """Join parts of an object's key by single slashes: ``x``, ``x/`` and ``/x`` are one."""
    return "/".join(name for part in parts if part for name in part.split("/") if name)


def _read_text(value: object) -> str | None:
    return replace_lone_surrogates(value).strip() or None if isinstance(value, str) else None


def _read_timestamp(value: object) -> str | None:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else None
    except TimestampError:
        return None
