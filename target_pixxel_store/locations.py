"""Locations in buckets, written the same for all stores on one bucket."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_PREFIX_BYTES = 900
"""Bytes of a prefix; keys have at most 1,024 in every cloud, the image's name included."""
_BUCKET_NAME = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,221}")
_FIRST_PRINTABLE = " "
_SCHEMES = {"S3": "s3", "GCS": "gs", "AZBLOB": "az"}


class BucketPath(NamedTuple):
    """A path in a bucket; a catalog and such a path identify a delivery.

    Attributes:
        cloud: S3, GCS or AZBLOB.
        bucket: The bucket, or container.
        prefix: The prefix of store and delivery, without a slash at either end.
    """

    cloud: str
    bucket: str
    prefix: str

    def join(self, path: str) -> BucketPath:
        """Return the location at a path below this one."""
        return self._replace(prefix=normalize_path(self.prefix, path))

    def uri(self, target_path: str) -> str:
        """Return the URI of an object, such as `s3://bucket/prefix/image.zip`.

        Args:
            target_path: Its key below this location.
        """
        scheme = _SCHEMES.get(self.cloud, self.cloud.lower())
        return f"{scheme}://{self.bucket}/{normalize_path(self.prefix, target_path)}"

    def shares_bucket(self, other: BucketPath) -> bool:
        """Return whether the other location is in the same bucket."""
        return self[:2] == other[:2]


class DeliveryKey(NamedTuple):
    """Identifies a delivery: two with the same key are the same delivery."""

    catalog_id: str
    location: BucketPath


class BucketLocation(NamedTuple):
    """The bucket of a store, and how to reach it.

    Attributes:
        type: S3, GCS or AZBLOB.
        bucket: The bucket, in Azure the container.
        region: The cloud's name of the region; only S3 needs it.
        prefix: The prefix of the keys, without a slash at either end.
    """

    type: str
    bucket: str
    region: str
    prefix: str

    @property
    def label(self) -> str:
        """The bucket, for messages."""
        kind = "Azure container" if self.type == "AZBLOB" else f"{self.type} bucket"
        return f"{kind} {self.bucket!r}"


def normalize_path(*parts: str) -> str:
    """Join parts of a key with single slashes: `x`, `x/` and `/x` are the same."""
    return "/".join(segment for part in parts for segment in part.split("/") if segment)


def to_folder_path(path: str) -> str:
    """Return a path as requests contain it; the API appends the file name without a slash."""
    folder = normalize_path(path)
    return f"{folder}/" if folder else ""


def is_bucket_name(text: str) -> bool:
    """Return whether a text may be the name of a bucket or container, in any cloud."""
    return _BUCKET_NAME.fullmatch(text) is not None


def path_error(path: str) -> str | None:
    """Return why a path is invalid; None where it is valid.

    Args:
        path: A path below the store's prefix, or below the folder of downloads.
    """
    if path.startswith("/"):
        return "must be relative; start it with the name of a folder"
    if any(segment in {".", ".."} for segment in path.split("/")):
        return "must not contain . or .. as a folder"
    if any(character < _FIRST_PRINTABLE or character in "\\\x7f" for character in path):
        return "must not contain a backslash or a control character"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode"
    return None


def is_too_long(location: BucketPath) -> bool:
    """Return whether a location leaves too few bytes of the key for the image's name."""
    return len(location.prefix.encode()) > MAX_PREFIX_BYTES
