"""The two questions to a bucket: may these credentials write there, and is an object there?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import obstore

from target_pixxel_store.stores.buckets.clients import make_client
from target_pixxel_store.stores.buckets.errors import (
    OBSTORE_ERRORS,
    from_obstore_error,
    is_denied,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.locations import BucketLocation

PROBE_PREFIX = ".pixxel-singer-probe-"
"""How the name of the object begins that `probe` writes; what follows is unique."""
_PROBE_CONTENT = (
    b"Written by pixxel-singer to prove that this bucket can be written to. Safe to delete.\n"
)


def probe_write_access(
    location: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    *,
    authority_host: str | None = None,
) -> list[str]:
    """Prove that these credentials, and no others, can write there: put an object and delete it.

    It takes 8 seconds when nothing answers, and 24 at the very most.

    Args:
        location: The bucket and the prefix.
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
    store = make_client(location, credentials, endpoint, authority_host)
    key = _join_key(location.prefix, f"{PROBE_PREFIX}{uuid4().hex}")
    try:
        obstore.put(store, key, _PROBE_CONTENT, use_multipart=False)
    except OBSTORE_ERRORS as error:
        raise from_obstore_error(error, location, credentials, endpoint, "write") from None
    try:
        obstore.delete(store, key)
    except FileNotFoundError:
        return []  # someone was faster
    except OBSTORE_ERRORS as error:
        why = "may not" if is_denied(error) else "could not"
        note = (
            f"{location.label}: credentials '{credentials.name}' {why} delete, so the object "
            f"{key!r} that proved they can write stays there"
        )
        return [note]
    return []


def object_size(
    location: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    key: str,
    *,
    authority_host: str | None = None,
) -> int | None:
    """Look for an object.

    Args:
        location: The bucket; its prefix is not added.
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
    store = make_client(location, credentials, endpoint, authority_host)
    try:
        return _read_size(store, key)
    except OBSTORE_ERRORS as error:
        raise from_obstore_error(error, location, credentials, endpoint, "look") from None


def _read_size(store: ObjectStore, key: str) -> int | None:
    try:
        return obstore.head(store, key)["size"]
    except FileNotFoundError:
        return None
    except OBSTORE_ERRORS as error:
        if not is_denied(error):
            raise
    # An answer to HEAD has no body, and so no word on whether it is the key or a permission.
    try:
        return obstore.get(store, key, options={"range": (0, 1)}).meta["size"]
    except FileNotFoundError:
        return None


def _join_key(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name
