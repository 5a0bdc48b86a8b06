"""Probe a bucket: verify that credentials can write to it, and find an object in it."""

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
"""Prefix of the name of the object that `probe_write_access` writes; the rest is unique."""
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
    """Verify that these credentials can write to a bucket: put an object and delete it.

    It takes 8 seconds where nothing responds, and never more than 24.

    Args:
        location: The bucket and the prefix.
        credentials: The credentials of the store, with all keys of its type.
        endpoint: URL of an S3-compatible or emulated cloud; None for the cloud itself. Azure's
            has the account in its path: `http://127.0.0.1:10000/devstoreaccount1`.
        authority_host: URL that issues Azure's tokens, where it is not the public cloud's.

    Returns:
        Notes, one line each, such as that the object remains because the credentials cannot
        delete it.

    Raises:
        BucketError: They cannot write to it.
    """
    store = make_client(location, credentials, endpoint, authority_host)
    folder = f"{location.prefix}/" if location.prefix else ""
    key = f"{folder}{PROBE_PREFIX}{uuid4().hex}"
    try:
        obstore.put(store, key, _PROBE_CONTENT, use_multipart=False)
    except OBSTORE_ERRORS as error:
        raise from_obstore_error(error, location, credentials, endpoint, "write") from None
    try:
        obstore.delete(store, key)
    except FileNotFoundError:
        return []  # another program deleted it
    except OBSTORE_ERRORS as error:
        verb = "may not" if is_denied(error) else "could not"
        note = (
            f"{location.label}: credentials '{credentials.name}' {verb} delete, so the probe "
            f"object {key!r} remains"
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
    """Return the size of an object.

    Args:
        location: The bucket; its prefix is not added.
        credentials: As for `probe_write_access`.
        endpoint: As for `probe_write_access`.
        key: The object's full key in the bucket.
        authority_host: As for `probe_write_access`.

    Returns:
        Its size in bytes; None where it, or the bucket, does not exist.

    Raises:
        BucketError: The size cannot be read. The kind is DENIED where the credentials may only
            write; S3 returns that for a missing object, too, where they may not list the bucket.
    """
    store = make_client(location, credentials, endpoint, authority_host)
    try:
        return _read_size(store, key)
    except OBSTORE_ERRORS as error:
        raise from_obstore_error(error, location, credentials, endpoint, "read") from None


def _read_size(store: ObjectStore, key: str) -> int | None:
    try:
        return obstore.head(store, key)["size"]
    except FileNotFoundError:
        return None
    except OBSTORE_ERRORS as error:
        if not is_denied(error):
            raise
    # A response to HEAD has no body that tells a missing key from a missing permission.
    try:
        return obstore.get(store, key, options={"range": (0, 1)}).meta["size"]
    except FileNotFoundError:
        return None
