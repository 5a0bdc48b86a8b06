"""Buckets: can these credentials write there, and did the object arrive?"""

from target_pixxel_store.buckets.checks import exists, probe
from target_pixxel_store.buckets.errors import BucketError, Kind
from target_pixxel_store.buckets.opening import Place

__all__ = ["BucketError", "Kind", "Place", "exists", "probe"]
