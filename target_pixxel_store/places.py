"""Places: where a delivery goes, in words that two stores on one bucket share."""

from __future__ import annotations

from typing import NamedTuple

LONGEST = 900
"""Bytes of a prefix; a key has 1,024 at most in every cloud, and holds the image's name too."""
_FIRST_PRINTABLE = " "
_SCHEMES = {"S3": "s3", "GCS": "gs", "AZBLOB": "az"}


class Destination(NamedTuple):
    """A place in a bucket; the identity of a delivery is its catalog and this.

    Attributes:
        cloud: S3, GCS or AZBLOB.
        bucket: The bucket, or container.
        prefix: Of the key, without a slash at either end: the store's and the delivery's.
    """

    cloud: str
    bucket: str
    prefix: str

    def below(self, path: str) -> Destination:
        """Give the place at a path below this one."""
        return self._replace(prefix=normalised(self.prefix, path))

    def uri(self, target: str) -> str:
        """Name an object, such as ``s3://bucket/prefix/image.zip``.

        Args:
            target: Its key below this place.
        """
        scheme = _SCHEMES.get(self.cloud, self.cloud.lower())
        return f"{scheme}://{self.bucket}/{normalised(self.prefix, target)}"

    def shares_bucket(self, other: Destination) -> bool:
        """Tell whether the other place is in the same bucket."""
        return self[:2] == other[:2]


def normalised(*parts: str) -> str:
    """Join parts of a key by single slashes: ``x``, ``x/`` and ``/x`` are one."""
    return "/".join(segment for part in parts for segment in part.split("/") if segment)


def as_folder(path: str) -> str:
    """Give a path the form in which it is sent: the API joins it with what follows as it is."""
    folder = normalised(path)
    return f"{folder}/" if folder else ""


def fault(path: str) -> str | None:
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


def too_long(place: Destination) -> bool:
    """Tell whether a place leaves no room for the image's name in the key."""
    return len(place.prefix.encode()) > LONGEST
