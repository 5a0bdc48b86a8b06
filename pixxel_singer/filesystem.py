"""Remote: places that a URL names, in object stores and wherever else fsspec leads."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem
from obstore.exceptions import BaseError as StoreError
from obstore.fsspec import register

_OBSTORE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
_READ_ONLY = ("http", "https", "github", "data")
_STORE_OPTIONS: dict[str, Any] = {
    # An endpoint is http only where the user has said so.
    "client_options": {"connect_timeout": "10s", "timeout": "120s", "allow_http": True},
    "retry_config": {"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
    "skip_instance_cache": True,  # the environment's credentials may be others by now
}
"""How long a store may keep us waiting; of itself it would be three minutes and more."""
_METADATA_ADDRESSES = (
    "169.254.169.254",
    "/latest/api/token",
    "metadata.google.internal",
    "169.254.170.2",
)
"""Where a store's client asks a cloud's machine for credentials when the environment has none."""
_USERINFO = re.compile(r"(?<=://)[^/]*@")

FILESYSTEM_ERRORS = (OSError, ValueError, StoreError)
"""What the disk, a store or fsspec can fail with."""


class InvalidLocation(ValueError):
    """A URL names no place that can be written to; the text says why."""


def open_filesystem(url: str) -> tuple[Any, str]:
    """Open the place that a path or URL names; nothing is asked of it yet.

    Returns:
        The file system, and the place in it.

    Raises:
        BadPlace: It is none that can be written to.
    """
    protocol = url.partition("://")[0] if "://" in url else ""
    if protocol in _READ_ONLY:
        raise InvalidLocation(f"{protocol} URLs can be read, not written to")
    register([name for name in _OBSTORE if name not in fsspec.registry])
    options = _STORE_OPTIONS if protocol in _OBSTORE else {}
    try:
        files, root = fsspec.url_to_fs(url, **options)
    except (ImportError, ValueError, StoreError) as error:
        raise InvalidLocation(
            f"cannot open '{strip_userinfo(url)}': {_first_line(error)}"
        ) from None
    return files, root


def is_local(files: Any) -> bool:  # noqa: ANN401 - not typed
    """Tell whether a file system is that of this machine."""
    return isinstance(files, LocalFileSystem)


def strip_userinfo(url: str) -> str:
    """Give a URL without the user and the password in it."""
    return _USERINFO.sub("", url)


def url_password(url: str) -> str:
    """Give the password in a URL, empty where there is none."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def describe_error(error: Exception) -> str:
    """Word one of `FAILURES` in one line."""
    text = getattr(error, "strerror", None) or _first_line(error)
    if any(address in text for address in _METADATA_ADDRESSES):
        return (
            "no credentials; set those of the store in the environment, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT"
        )
    return str(text)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
