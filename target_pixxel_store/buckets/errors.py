"""What a bucket's refusal means, in one line of ours: the service's own words stay unsaid."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

if TYPE_CHECKING:
    from target_pixxel_store.buckets.opening import Place
    from target_pixxel_store.credentials import Credentials

FAILURES = (BaseError, OSError, ValueError)
"""What obstore raises: its own errors, FileNotFoundError, and ValueError for a bad argument."""


class Kind(Enum):
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
        text: The line, without a secret and without the service's answer.
    """

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_CODES: dict[Kind, frozenset[str]] = {
    Kind.MISSING_BUCKET: frozenset(
        {"nosuchbucket", "invalidbucketname", "containernotfound", "containerbeingdeleted"}
        | {"invalidresourcename"}
    ),
    Kind.DENIED: frozenset(
        {"accessdenied", "allaccessdisabled", "accountproblem", "userprojectaccountproblem"}
        | {"authorizationpermissionmismatch", "authorizationfailure", "accountisdisabled"}
        | {"insufficientaccountpermissions", "authorizationprotocolmismatch"}
    ),
    Kind.UNKNOWN_KEY: frozenset(
        {"invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken"}
        | {"invalidsecurity", "notsignedup", "authenticationrequired", "authfailure"}
        | {"authenticationfailed", "invalidauthenticationinfo", "noauthenticationinformation"}
        | {"invalid_client", "unauthorized_client", "invalid_request", "invalid_grant"}
    ),
}
"""The codes in the answers of S3, Google's XML API, Azure's Blob service and its token service."""
_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}
_ELSEWHERE = frozenset(
    {"authorizationheadermalformed", "permanentredirect", "illegallocationconstraintexception"}
)
_CODE = re.compile(r'<Code>\s*(\w+)\s*</Code>|"error"\s*:\s*"(\w+)"|\(code: (\w+)\)', re.IGNORECASE)
_STATUS = re.compile(r"status code: (\d{3})")
_NO_LOCATION = "Received redirect without LOCATION"  # S3's answer for another region's bucket
_SKEWED = "requesttimetooskewed"
_STATUS_KINDS = {"401": Kind.UNKNOWN_KEY, "403": Kind.DENIED, "404": Kind.MISSING_BUCKET}
_CLASSES: dict[type[Exception], Kind] = {
    FileNotFoundError: Kind.MISSING_BUCKET,
    PermissionDeniedError: Kind.DENIED,
    UnauthenticatedError: Kind.UNKNOWN_KEY,
}
_PASSING = ("429", "500", "502", "503", "504")
_NO_ANSWER = ("error sending request", "HTTP error", "dns error", "tcp connect", "timed out")
_UNTRUSTED = "InvalidCertificate("
_LINE = "the network, the proxy and the setting 'endpoints'"
_TRUST = "its certificate, which is not trusted: SSL_CERT_FILE names a file of more authorities"
_SIGN_IN = "Error performing token request"
_BAD_KEY = ("pem", "RSA key", "service account", "private_key")
_KEYS = {
    "S3": "access_key_id and secret_access_key",
    "GCS": "service_account_credentials, whether that key still exists",
    "AZBLOB": "account_name, tenant_id, client_id, client_secret, and whether the secret expired",
}
_MAY_WRITE = {
    "S3": "s3:PutObject",
    "GCS": "storage.objects.create",
    "AZBLOB": "the role Storage Blob Data Contributor",
}
_MAY_LOOK = {
    "S3": "s3:GetObject and s3:ListBucket",
    "GCS": "storage.objects.get",
    "AZBLOB": "the role Storage Blob Data Reader",
}

_REASONS = {
    Kind.MISSING_BUCKET: "{bucket} is not there{region}; create it, or correct the store's bucket "
    "and region",
    Kind.DENIED: "{bucket} may not be written to{under} with {by}; grant them {write}",
    Kind.UNKNOWN_KEY: "{bucket} does not know {by}; check their {keys}",
    Kind.MALFORMED: "{bucket} cannot be asked with {by}: their private_key is no RSA key in PEM "
    "form",
    Kind.UNREACHABLE: "{bucket} does not answer{at}; check {line}",
}
_MAY_NOT_LOOK = "{bucket} may not be read with {by}; grant them {look}"


def denial(error: Exception) -> bool:
    """Tell whether an error says that the credentials may not."""
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
        _kind(str(error)) is Kind.DENIED
    )


def told(
    error: Exception, place: Place, credentials: Credentials, endpoint: str | None, what: str
) -> BucketError:
    """Word what obstore raised.

    Args:
        error: What it raised; of its text only a code and a status are looked at.
        place: The bucket it is about.
        credentials: Those that were used; only their name is said.
        endpoint: Where it was asked.
        what: What was tried: "open", "write" or "look".
    """
    text = str(error)
    kind = _classed(error, text)
    if kind is Kind.OTHER and what == "open" and any(word in text for word in _BAD_KEY):
        kind = Kind.MALFORMED
    if kind is Kind.OTHER:
        return BucketError(kind, f"{place.label} {_other(text)}")
    reason = _MAY_NOT_LOOK if kind is Kind.DENIED and what == "look" else _REASONS[kind]
    return BucketError(
        kind,
        reason.format(
            bucket=place.label,
            by=f"credentials '{credentials.name}'",
            region=f" in region {place.region!r}" if place.region else "",
            under=f" under {place.prefix + '/'!r}" if place.prefix else "",
            keys=_KEYS[place.type],
            write=_MAY_WRITE[place.type],
            look=_MAY_LOOK[place.type],
            at=_silent(text, endpoint),
            line=_TRUST if _UNTRUSTED in text else _LINE,
        ),
    )


def _classed(error: Exception, text: str) -> Kind:
    if _SIGN_IN in text and (_status(text) or "").startswith("4"):
        return Kind.UNKNOWN_KEY
    if kind := _kind(text):
        return kind
    for raised, meaning in _CLASSES.items():
        if isinstance(error, raised):
            return meaning
    if _status(text) is None and any(words in text for words in _NO_ANSWER):
        return Kind.UNREACHABLE
    return Kind.OTHER


def _kind(text: str) -> Kind | None:
    code = _code(text)
    if code in _KINDS:
        return _KINDS[code]
    if code in _ELSEWHERE or code == _SKEWED:
        return Kind.OTHER
    return _STATUS_KINDS.get(_status(text) or "")


def _other(text: str) -> str:
    code, status = _code(text), _status(text)
    if code in _ELSEWHERE or _NO_LOCATION in text:
        return "is in another region; correct the store's region"
    if code == _SKEWED:
        return "refuses requests by this machine's clock; set it right"
    if status:
        then = "try again later" if status in _PASSING else "check bucket, prefix and endpoint"
        return f"cannot be used: the service answered with status {status}; {then}"
    return (
        "cannot be asked; check the names of bucket and prefix, the region and the setting "
        "'endpoints'"
    )


def _code(text: str) -> str:
    found = _CODE.search(text)
    return str(found[found.lastindex or 0]).lower() if found else ""


def _status(text: str) -> str | None:
    found = _STATUS.search(text)
    return found[1] if found else None


def _silent(text: str, endpoint: str | None) -> str:
    """Say who did not answer, without a URL's password."""
    if _SIGN_IN in text:
        return ", or rather the service that gives tokens for it"
    return f" at {urlsplit(endpoint).netloc.rpartition('@')[2]}" if endpoint else ""
