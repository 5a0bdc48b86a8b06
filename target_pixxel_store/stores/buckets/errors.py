"""Errors of buckets, in one line each that never quotes the service's response."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

if TYPE_CHECKING:
    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.locations import BucketLocation

OBSTORE_ERRORS = (BaseError, OSError, ValueError)
"""What obstore raises: its own errors, FileNotFoundError, and ValueError for an argument."""


class BucketErrorKind(Enum):
    """What is wrong with a bucket or its credentials."""

    MISSING_BUCKET = "missing bucket"
    DENIED = "denied"
    UNKNOWN_KEY = "unknown key"
    MALFORMED = "malformed credentials"
    UNREACHABLE = "unreachable"
    OTHER = "other"


class BucketError(Exception):
    """A bucket cannot be used; the text is one line that says why and what to do.

    Args:
        kind: What is wrong.
        text: The line, without a secret and without the service's response.
    """

    def __init__(self, kind: BucketErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_CODES_BY_KIND: dict[BucketErrorKind, frozenset[str]] = {
    BucketErrorKind.MISSING_BUCKET: frozenset(
        {"nosuchbucket", "invalidbucketname", "containernotfound", "containerbeingdeleted"}
        | {"invalidresourcename"}
    ),
    BucketErrorKind.DENIED: frozenset(
        {"accessdenied", "allaccessdisabled", "accountproblem", "userprojectaccountproblem"}
        | {"authorizationpermissionmismatch", "authorizationfailure", "accountisdisabled"}
        | {"insufficientaccountpermissions", "authorizationprotocolmismatch"}
    ),
    BucketErrorKind.UNKNOWN_KEY: frozenset(
        {"invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken"}
        | {"invalidsecurity", "notsignedup", "authenticationrequired", "authfailure"}
        | {"authenticationfailed", "invalidauthenticationinfo", "noauthenticationinformation"}
        | {"invalid_client", "unauthorized_client", "invalid_request", "invalid_grant"}
    ),
}
"""Error codes of S3, Google's XML API, Azure's Blob service and its token service."""
_KIND_BY_CODE = {code: kind for kind, codes in _CODES_BY_KIND.items() for code in codes}
_OTHER_REGION_CODES = frozenset(
    {"authorizationheadermalformed", "permanentredirect", "illegallocationconstraintexception"}
)
_CODE_PATTERN = re.compile(
    r'<Code>\s*(\w+)\s*</Code>|"error"\s*:\s*"(\w+)"|\(code: (\w+)\)', re.IGNORECASE
)
_STATUS_PATTERN = re.compile(r"status code: (\d{3})")
_OTHER_REGION_TEXT = (
    "Received redirect without LOCATION"  # S3's response for a bucket of a different region
)
_CLOCK_SKEW_CODE = "requesttimetooskewed"
_KIND_BY_STATUS = {
    "401": BucketErrorKind.UNKNOWN_KEY,
    "403": BucketErrorKind.DENIED,
    "404": BucketErrorKind.MISSING_BUCKET,
}
_KIND_BY_EXCEPTION: dict[type[Exception], BucketErrorKind] = {
    FileNotFoundError: BucketErrorKind.MISSING_BUCKET,
    PermissionDeniedError: BucketErrorKind.DENIED,
    UnauthenticatedError: BucketErrorKind.UNKNOWN_KEY,
}
_TRANSIENT_STATUSES = ("429", "500", "502", "503", "504")
_NO_RESPONSE_TEXTS = (
    "error sending request",
    "HTTP error",
    "dns error",
    "tcp connect",
    "timed out",
)
_UNTRUSTED_TEXT = "InvalidCertificate("
_NETWORK_HINT = "the network, the proxy and the setting 'endpoints'"
_CERTIFICATE_HINT = (
    "its certificate, which is not trusted: set SSL_CERT_FILE to a file with more authorities"
)
_SIGN_IN_TEXT = "Error performing token request"
_MALFORMED_KEY_TEXTS = ("pem", "RSA key", "service account", "private_key")
_KEYS_HINT = {
    "S3": "access_key_id and secret_access_key",
    "GCS": "service_account_credentials, whether that key still exists",
    "AZBLOB": "account_name, tenant_id, client_id, client_secret, and whether the secret expired",
}
_WRITE_PERMISSION = {
    "S3": "s3:PutObject",
    "GCS": "storage.objects.create",
    "AZBLOB": "the role Storage Blob Data Contributor",
}
_READ_PERMISSION = {
    "S3": "s3:GetObject and s3:ListBucket",
    "GCS": "storage.objects.get",
    "AZBLOB": "the role Storage Blob Data Reader",
}

_MESSAGES = {
    BucketErrorKind.MISSING_BUCKET: (
        "{bucket} does not exist{region}; create it, or correct the store's bucket and region"
    ),
    BucketErrorKind.DENIED: "{bucket} is not writable{under} with {by}; grant {write}",
    BucketErrorKind.UNKNOWN_KEY: "{bucket} does not recognize {by}; check their {keys}",
    BucketErrorKind.MALFORMED: (
        "{bucket} cannot be used with {by}: their private_key must be an RSA key in PEM format"
    ),
    BucketErrorKind.UNREACHABLE: "{bucket} does not respond{at}; check {line}",
}
_READ_DENIED = "{bucket} is not readable with {by}; grant {read}"


def is_denied(error: Exception) -> bool:
    """Return whether an error says that the credentials have no permission."""
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
        _kind_by_code(str(error)) is BucketErrorKind.DENIED
    )


def from_obstore_error(
    error: Exception,
    location: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    operation: str,
) -> BucketError:
    """Convert an error of obstore.

    Args:
        error: The error; only a code and a status are taken from its text.
        location: The bucket.
        credentials: The credentials that were used; only their name is quoted.
        endpoint: The URL of the request.
        operation: What failed: "open", "write" or "read".
    """
    text = str(error)
    kind = _classify(error, text)
    if kind is BucketErrorKind.OTHER:
        if operation != "open" or not any(word in text for word in _MALFORMED_KEY_TEXTS):
            return BucketError(kind, f"{location.label} {_describe_other(text)}")
        kind = BucketErrorKind.MALFORMED
    is_read_denied = kind is BucketErrorKind.DENIED and operation == "read"
    reason = _READ_DENIED if is_read_denied else _MESSAGES[kind]
    return BucketError(
        kind,
        reason.format(
            bucket=location.label,
            by=f"credentials '{credentials.name}'",
            region=f" in region {location.region!r}" if location.region else "",
            under=f" under {location.prefix + '/'!r}" if location.prefix else "",
            keys=_KEYS_HINT[location.type],
            write=_WRITE_PERMISSION[location.type],
            read=_READ_PERMISSION[location.type],
            at=_describe_endpoint(text, endpoint),
            line=_CERTIFICATE_HINT if _UNTRUSTED_TEXT in text else _NETWORK_HINT,
        ),
    )


def _classify(error: Exception, text: str) -> BucketErrorKind:
    if _SIGN_IN_TEXT in text and _find_status(text).startswith("4"):
        return BucketErrorKind.UNKNOWN_KEY
    if kind := _kind_by_code(text):
        return kind
    for raised, meaning in _KIND_BY_EXCEPTION.items():
        if isinstance(error, raised):
            return meaning
    if not _find_status(text) and any(words in text for words in _NO_RESPONSE_TEXTS):
        return BucketErrorKind.UNREACHABLE
    return BucketErrorKind.OTHER


def _kind_by_code(text: str) -> BucketErrorKind | None:
    code = _find_code(text)
    if code in _KIND_BY_CODE:
        return _KIND_BY_CODE[code]
    if code in _OTHER_REGION_CODES or code == _CLOCK_SKEW_CODE:
        return BucketErrorKind.OTHER
    return _KIND_BY_STATUS.get(_find_status(text))


def _describe_other(text: str) -> str:
    code, status = _find_code(text), _find_status(text)
    if code in _OTHER_REGION_CODES or _OTHER_REGION_TEXT in text:
        return "is in a different region; correct the store's region"
    if code == _CLOCK_SKEW_CODE:
        return "refuses requests because of this machine's clock; set the clock"
    if status:
        is_transient = status in _TRANSIENT_STATUSES
        then = "try again later" if is_transient else "check bucket, prefix and endpoint"
        return f"cannot be used: the service returned status {status}; {then}"
    return (
        "cannot be used; check the names of bucket and prefix, the region and the setting "
        "'endpoints'"
    )


def _find_code(text: str) -> str:
    found = _CODE_PATTERN.search(text)
    return str(found[found.lastindex or 0]).lower() if found else ""


def _find_status(text: str) -> str:
    found = _STATUS_PATTERN.search(text)
    return found[1] if found else ""


def _describe_endpoint(text: str, endpoint: str | None) -> str:
    """Return which service did not respond, without a URL's password."""
    if _SIGN_IN_TEXT in text:
        return ", or the service that issues tokens for it"
    return f" at {urlsplit(endpoint).netloc.rpartition('@')[2]}" if endpoint else ""
