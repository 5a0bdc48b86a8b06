"""Buckets: verify that credentials can write to one, and find an object in it."""

from __future__ import annotations

from target_pixxel_store.stores.buckets.clients import make_client
from target_pixxel_store.stores.buckets.errors import BucketError, BucketErrorKind
from target_pixxel_store.stores.buckets.probe import object_size, probe_write_access

__all__ = ["BucketError", "BucketErrorKind", "make_client", "object_size", "probe_write_access"]
