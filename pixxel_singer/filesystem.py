"""File systems by URL: local, object stores by obstore, and others by fsspec."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem
from obstore.exceptions import BaseError as StoreError
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.fsspec import register
from obstore.store import from_url

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_OBSTORE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
_READ_ONLY = ("http", "https", "github", "data")
_STORE_OPTIONS: dict[str, Any] = {
    # The endpoint is http only if the user has configured it.
    "client_options": {"connect_timeout": "10s", "timeout": "120s", "allow_http": True},
    "retry_config": {"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
    "skip_instance_cache": True,  # credentials in the environment may have changed
}
"""Options of object stores, mainly timeouts; the defaults add up to more than three minutes."""
_METADATA_ADDRESSES = (
    "169.254.169.254",
    "/latest/api/token",
    "metadata.google.internal",
    "169.254.170.2",
)
"""Metadata services that a store's client queries if the environment has no credentials."""
_USERINFO = re.compile(r"(?<=://)[^/]*@")

FILESYSTEM_ERRORS = (OSError, ValueError, StoreError)
"""Errors of the disk, object stores and fsspec."""
ACCESS_ERRORS = (PermissionError, PermissionDeniedError, UnauthenticatedError)
"""Those of them that mean that access is refused."""


class InvalidLocation(ValueError):
    """A URL is not a writable location; the text states the reason."""


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, without any request to it.

    Returns:
        The file system, and the path in it.

    Raises:
        InvalidLocation: The URL is not a writable location.
    """
    protocol = url.partition("://")[0] if "://" in url else ""
    if protocol in _READ_ONLY:
        raise InvalidLocation(f"{protocol} URLs are read-only")
    register([name for name in _OBSTORE if name not in fsspec.registry])
    options = _STORE_OPTIONS if protocol in _OBSTORE else {}
    try:
        filesystem, path = fsspec.url_to_fs(url, **options)
    except (ImportError, ValueError, StoreError) as error:
        raise InvalidLocation(
            f"cannot open '{strip_userinfo(url)}': {_first_line(error)}"
        ) from None
    return filesystem, path


def open_object_store(url: str) -> ObjectStore | None:
    """Return the object store at a URL, without any request to it; None for other file systems.

    It offers what fsspec does not, such as a write on the condition that nobody else has written.

    Raises:
        InvalidLocation: The URL is not that of a store.
    """
    if url.partition("://")[0] not in _OBSTORE:
        return None
    options = {name: _STORE_OPTIONS[name] for name in ("client_options", "retry_config")}
    try:
        return from_url(url, **options)
    except (ValueError, StoreError) as error:
        raise InvalidLocation(
            f"cannot open '{strip_userinfo(url)}': {_first_line(error)}"
        ) from None


def is_local(filesystem: Any) -> bool:  # noqa: ANN401 - fsspec is not typed
    """Return whether a file system is the local one."""
    return isinstance(filesystem, LocalFileSystem)


def strip_userinfo(url: str) -> str:
    """Return a URL without its user and password."""
    return _USERINFO.sub("", url)


def url_password(url: str) -> str:
    """Return the password in a URL, or an empty string."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def describe_error(error: Exception) -> str:
    """Describe one of `FILESYSTEM_ERRORS` in one line."""
    text = getattr(error, "strerror", None) or _first_line(error)
    if any(address in text for address in _METADATA_ADDRESSES):
        return (
            "no credentials; set those of the object store in the environment, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT"
        )
    return str(text)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
