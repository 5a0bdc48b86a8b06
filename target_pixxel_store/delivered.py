"""Whether the object of a delivery is in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_pixxel_store.buckets import BucketError, Place, exists
from target_pixxel_store.places import normalised
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.api import Delivery
    from target_pixxel_store.look import Looks
    from target_pixxel_store.stores import StoreKeeper


class Verifier:
    """Looks for objects with the credentials that the settings have for their stores.

    Args:
        endpoints: URL by type of store.
    """

    def __init__(self, looks: Looks, keeper: StoreKeeper, endpoints: Mapping[str, str]) -> None:
        self._looks = looks
        self._keeper = keeper
        self._endpoints = endpoints

    def __call__(self, delivery: Delivery) -> bool | None:
        """Tell whether the object is there; None where nobody can tell."""
        store = self._looks.view.stores.get(delivery.store)
        if store is None or not delivery.target:
            return None
        cloud, bucket, prefix = store.place
        try:
            name = self._keeper.named.get(store.name, store.name)
            credentials = self._keeper.credentials_for(name, cloud)
            place = Place(cloud, bucket, store.region, prefix)
            key = normalised(prefix, delivery.path, delivery.target)
            return exists(place, credentials, self._endpoints.get(cloud), key) is not None
        except (Rejected, BucketError):
            return None
