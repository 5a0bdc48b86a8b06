"""The two questions to a bucket: may these credentials write there, and is an object there?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import obstore

from target_pixxel_store.buckets.errors import FAILURES, BucketError, Kind, denial, told
from target_pixxel_store.buckets.opening import opened

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from target_pixxel_store.buckets.opening import Place
    from target_pixxel_store.credentials import Credentials

PROBE_NAME = ".pixxel-singer-probe-"
"""How the name of the object begins that `probe` writes; what follows is unique."""
_PROBE = b"Written by pixxel-singer to prove that this bucket can be written to. Safe to delete.\n"


def probe(
    place: Place,
    credentials: Credentials,
    endpoint: str | None,
    *,
    authority_host: str | None = None,
) -> list[str]:
    """Prove that these credentials, and no others, can write there: put an object and delete it.

    It takes 8 seconds when nothing answers, and 24 at the very most.

    Args:
        place: The bucket and the prefix.
        credentials: Those of the store, with all keys of its type.
        endpoint: URL of an S3-compatible or emulated cloud; None for the cloud itself. Azure's
            has the account in its path: ``http://127.0.0.1:10000/devstoreaccount1``.
        authority_host: URL where Azure's tokens come from when it is not the public cloud's.

    Returns:
        Notes, a line each: the object may stay behind when the credentials may write but not
        delete.

    Raises:
        BucketError: They cannot write there.
    """
    store = opened(place, credentials, endpoint, authority_host)
    key = _below(place.prefix, f"{PROBE_NAME}{uuid4().hex}")
    try:
        obstore.put(store, key, _PROBE, use_multipart=False)
    except FAILURES as error:
        raise told(error, place, credentials, endpoint, "write") from None
    try:
        obstore.delete(store, key)
    except FileNotFoundError:
        return []  # someone was faster
    except FAILURES as error:
        why = "may not" if denial(error) else "could not"
        note = (
            f"{place.label}: credentials '{credentials.name}' {why} delete, so the object "
            f"{key!r} that proved they can write stays there"
        )
        return [note]
    return []


def exists(
    place: Place,
    credentials: Credentials,
    endpoint: str | None,
    key: str,
    *,
    authority_host: str | None = None,
) -> int | None:
    """Look for an object.

    Args:
        place: The bucket; its prefix is not added.
        credentials: As for `probe`.
        endpoint: As for `probe`.
        key: The object's full key in the bucket.
        authority_host: As for `probe`.

    Returns:
        Its size in bytes; None when it, or the bucket, is not there.

    Raises:
        BucketError: The answer cannot be had. DENIED is the kind when the credentials may not
            look, as those that may only write; S3 says so of a missing object, too, to
            credentials that may not list the bucket.
    """
    store = opened(place, credentials, endpoint, authority_host)
    try:
        return _size(store, key)
    except FAILURES as error:
        raise told(error, place, credentials, endpoint, "look") from None


def _size(store: ObjectStore, key: str) -> int | None:
    try:
        return obstore.head(store, key)["size"]
    except FileNotFoundError:
        return None
    except FAILURES as error:
        if not denial(error):
            raise
    # An answer to HEAD has no body, and so no word on whether it is the key or a permission.
    try:
        return obstore.get(store, key, options={"range": (0, 1)}).meta["size"]
    except FileNotFoundError:
        return None


def _below(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


__all__ = ["PROBE_NAME", "BucketError", "Kind", "exists", "probe"]
