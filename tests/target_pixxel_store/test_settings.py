"""Invalid settings: reported by name, before any request, without their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

MARKER = "v4lue-n0t-t0-be-ech0ed"
NAN, INF = float("nan"), float("inf")
S3_KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}
STORE = {"name": "new", "type": "S3", "bucket": "b", "region": "r", "credentials": "main"}


def settings_with_credentials(**entry: Any) -> Json:
    """Return settings that declare a store, with changed credentials."""
    return {"stores": [STORE], "credentials": {"main": {**S3_KEYS, **entry}}}


def settings_with_service_account(text: str) -> Json:
    """Return settings that declare a store of Google's, with a key."""
    credentials = {"project_id": "p", "service_account_credentials": text}
    return {"stores": [{**STORE, "type": "GCS"}], "credentials": {"main": credentials}}


INVALID_SETTINGS: dict[str, tuple[Json, str]] = {
    "settle_seconds is NaN": ({"settle_seconds": NAN}, "'settle_seconds'"),
    "settle_seconds is infinite": (
        {"settle_seconds": INF},
        "'settle_seconds' must be a finite number",
    ),
    "wait_timeout is infinite": ({"wait_timeout": INF}, "'wait_timeout' must be a finite number"),
    "flush_seconds is NaN": ({"flush_seconds": NAN}, "'flush_seconds'"),
    "stuck_after is NaN": ({"stuck_after": NAN}, "'stuck_after'"),
    "variable not set": (
        settings_with_credentials(secret_access_key="env:NO_SUCH_VARIABLE"),
        "NO_SUCH_VARIABLE is not set",
    ),
    "missing key": (
        {"stores": [STORE], "credentials": {"main": {"access_key_id": MARKER}}},
        "lacks secret_access_key",
    ),
    "unknown credentials": ({"stores": [STORE]}, "must name an entry"),
    "store without bucket": (
        {"stores": [{**STORE, "bucket": None}], "credentials": {"main": S3_KEYS}},
        "has no 'bucket'",
    ),
    **{
        f"bucket {bucket}": (
            {"stores": [{**STORE, "bucket": bucket}], "credentials": {"main": S3_KEYS}},
            "'bucket' must be the name of a bucket, not a URL, an ARN or a path",
        )
        for bucket in ("s3://images", "https://a.s3.amazonaws.com", "arn:aws:s3:::b", "b/raw")
    },
    "service account is no JSON": (
        settings_with_service_account(MARKER),
        "'credentials.main.service_account_credentials': the value is not a JSON object",
    ),
    "service account is a path": (
        settings_with_service_account(__file__),
        "is the path of a file; write file:PATH",
    ),
    "service account is an empty file": (
        settings_with_service_account("file:/dev/null"),
        "the file '/dev/null' is empty",
    ),
    "service account in another file": (
        settings_with_service_account(f"file:{__file__}"),
        f"the file '{__file__}' is not a JSON object",
    ),
    "duplicate store": (
        {"stores": [STORE, STORE], "credentials": {"main": S3_KEYS}},
        "is declared twice",
    ),
    "endpoint of unknown type": (
        {"endpoints": {"FTP": "http://a"}},
        "'endpoints' must name only the types",
    ),
    "invalid endpoint URL": ({"endpoints": {"S3": MARKER}}, "'endpoints.S3' must be a URL"),
    "home of unknown user": (
        {"journal_path": f"~{MARKER}/x"},
        "'journal_path' starts with the home of an unknown user",
    ),
    "invalid deliver_since": (
        {"deliver_to": "research", "deliver_since": MARKER},
        "'deliver_since' must be 'all', or",
    ),
    "filter without values": (
        {"deliver_when": {"platform": []}},
        "'deliver_when' must have for each field a value, or a list of at least one value",
    ),
    "filter by an object": ({"deliver_when": {"gsd": {"lt": 5}}}, "'deliver_when' must have"),
    "filter by a list of lists": (
        {"deliver_when": {"gsd": [[MARKER]]}},
        "'deliver_when' must have",
    ),
    "path with NUL": (
        {"outcomes_path": f"{MARKER}\0"},
        "'outcomes_path' must be the path of a file",
    ),
    "one file for two settings": (
        {"summary_path": "a", "journal_path": "a"},
        "'rejected_path', 'summary_path' must name different files",
    ),
    "summary_path is a folder": ({"summary_path": "/"}, "'summary_path' must be a file, but is"),
    "production without journal_path": (
        {"environment": "production", "journal_path": None},
        "'journal_path' is missing; with 'environment' production",
    ),
    "on_error continue without rejected_path": (
        {"on_error": "continue", "rejected_path": None},
        "'rejected_path' is missing",
    ),
}


@pytest.mark.parametrize("case", INVALID_SETTINGS)
def test_invalid_setting_reported_before_any_request(harness: TargetHarness, case: str) -> None:
    settings, reason = INVALID_SETTINGS[case]
    result = harness.run(**settings)
    assert isinstance(result.error, ConfigValidationError)
    message = "\n".join(result.error.errors)
    assert reason in message
    assert MARKER not in message
    assert "a-secret" not in message
    assert harness.sandbox.requests == []


def test_command_invalid_settings_logged_each(harness: TargetHarness) -> None:
    result = harness.run_command(
        settle_seconds=NAN, **settings_with_credentials(secret_access_key="env:NO_SUCH_VARIABLE")
    )
    assert result.status == 2
    assert "Traceback" not in result.log
    assert "a finite number" in result.log
    assert "NO_SUCH_VARIABLE is not set" in result.log
    assert harness.sandbox.requests == []
