"""Places: where a delivery goes, in words that two stores on one bucket share."""

from __future__ import annotations

from typing import NamedTuple

MAX_PREFIX_BYTES = 900
"""Bytes of a prefix; a key has 1,024 at most in every cloud, and holds the image's name too."""
_FIRST_PRINTABLE = " "
_SCHEMES = {"S3": "s3", "GCS": "gs", "AZBLOB": "az"}


class BucketPath(NamedTuple):
    """A place in a bucket; the identity of a delivery is its catalog and this.

    Attributes:
        cloud: S3, GCS or AZBLOB.
        bucket: The bucket, or container.
        prefix: Of the key, without a slash at either end: the store's and the delivery's.
    """

    cloud: str
    bucket: str
    prefix: str

    def join(self, path: str) -> BucketPath:
        """Give the place at a path below this one."""
        return self._replace(prefix=normalize_path(self.prefix, path))

    def uri(self, target_path: str) -> str:
        """Name an object, such as ``s3://bucket/prefix/image.zip``.

        Args:
            target_path: Its key below this place.
        """
        scheme = _SCHEMES.get(self.cloud, self.cloud.lower())
        return f"{scheme}://{self.bucket}/{normalize_path(self.prefix, target_path)}"

    def shares_bucket(self, other: BucketPath) -> bool:
        """Tell whether the other place is in the same bucket."""
        return self[:2] == other[:2]


class BucketLocation(NamedTuple):
    """Where a store lies.

    Attributes:
        type: S3, GCS or AZBLOB.
        bucket: The bucket, in Azure the container.
        region: As the cloud names it; only S3 needs it.
        prefix: Of the keys, without a slash at either end.
    """

    type: str
    bucket: str
    region: str
    prefix: str

    @property
    def label(self) -> str:
        """The place as a person knows it."""
        kind = "Azure container" if self.type == "AZBLOB" else f"{self.type} bucket"
        return f"{kind} {self.bucket!r}"


def normalize_path(*parts: str) -> str:
    """Join parts of a key by single slashes: ``x``, ``x/`` and ``/x`` are one."""
    return "/".join(segment for part in parts for segment in part.split("/") if segment)


def to_folder_path(path: str) -> str:
    """Give a path the form in which it is sent: the API joins it with what follows as it is."""
    folder = normalize_path(path)
    return f"{folder}/" if folder else ""


def path_error(path: str) -> str | None:
    """Say why a path cannot be delivered to; None when it can.

    Args:
        path: Below the store's prefix, or the folder of downloads.
    """
    if path.startswith("/"):
        return "is absolute; begin it with a folder's name"
    if any(segment in {".", ".."} for segment in path.split("/")):
        return "has a . or .. in it"
    if any(character < _FIRST_PRINTABLE or character in "\\\x7f" for character in path):
        return "has a backslash or a control character in it"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not Unicode"
    return None


def is_too_long(location: BucketPath) -> bool:
    """Tell whether a place leaves no room for the image's name in the key."""
    return len(location.prefix.encode()) > MAX_PREFIX_BYTES
