"""Verification: check that the object of a delivery exists in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_pixxel_store.errors import RecordError
from target_pixxel_store.locations import BucketLocation, normalize_path
from target_pixxel_store.stores.buckets import BucketError, object_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.api.models import Delivery
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.stores.reconciler import StoreReconciler


def verify_delivery(
    remote: RemoteState, stores: StoreReconciler, endpoints: Mapping[str, str], delivery: Delivery
) -> bool | None:
    """Find a delivered object with the credentials that the settings have for its store.

    Args:
        remote: Knows the stores.
        stores: Resolves credentials.
        endpoints: URL by type of store.
        delivery: The delivery.

    Returns:
        Whether it exists; None where that cannot be found out.
    """
    store = remote.view.stores.get(delivery.store_id)
    if store is None or not delivery.target_path:
        return None
    cloud, bucket, prefix = store.location
    try:
        name = stores.credentials_names.get(store.name, store.name)
        credentials = stores.resolve_credentials(name, cloud)
        location = BucketLocation(cloud, bucket, store.region, prefix)
        key = normalize_path(prefix, delivery.path, delivery.target_path)
        return object_size(location, credentials, endpoints.get(cloud), key) is not None
    except (RecordError, BucketError):
        return None
