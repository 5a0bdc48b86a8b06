"""Settings that cannot be used: told by name, before any request, without their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Workplace

MARK = "v4lue-n0t-t0-be-ech0ed"
NAN, INF = float("nan"), float("inf")
KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}
STORE = {"name": "new", "type": "S3", "bucket": "b", "region": "r", "credentials": "main"}


def declared(**entry: Any) -> Json:
    """Settings that declare a store, whose credentials are as given."""
    return {"stores": [STORE], "credentials": {"main": {**KEYS, **entry}}}


BAD: dict[str, tuple[Json, str]] = {
    "settle that is no number": ({"settle_seconds": NAN}, "'settle_seconds'"),
    "endless settle": ({"settle_seconds": INF}, "'settle_seconds' must be a finite number"),
    "endless wait": ({"wait_timeout": INF}, "'wait_timeout' must be a finite number"),
    "flush that is no number": ({"flush_seconds": NAN}, "'flush_seconds'"),
    "stuck that is no number": ({"stuck_after": NAN}, "'stuck_after'"),
    "a key that is a number": (
        declared(secret_access_key=7), "'credentials.main.secret_access_key': must be a string"),
    "a key that is an object": (
        declared(secret_access_key={"a": MARK}), "'credentials.main.secret_access_key': must be"),
    "a version that is a list": (
        declared(version=[MARK]), "'credentials.main.version': must be a string or an integer"),
    "a variable that is not set": (
        declared(secret_access_key="env:NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE is not set"),
    "a file that is not there": (
        declared(secret_access_key="file:/no/such/file"), "cannot be read"),
    "an empty key": (declared(secret_access_key=""), "is empty"),
    "a key too few": (
        {"stores": [STORE], "credentials": {"main": {"access_key_id": MARK}}},
        "lacks secret_access_key"),
    "a key too many": (declared(project_id=MARK), "has project_id, which S3 stores do not have"),
    "credentials of no type": (
        {"credentials": {"main": {"password": MARK}}}, "must have the keys of one type of store"),
    "no such credentials": ({"stores": [STORE]}, "must name an entry"),
    "a store without a bucket": (
        {"stores": [{**STORE, "bucket": None}], "credentials": {"main": KEYS}}, "has no 'bucket'"),
    "a store twice": (
        {"stores": [STORE, STORE], "credentials": {"main": KEYS}}, "is declared twice"),
    "an endpoint of another type": (
        {"endpoints": {"FTP": "http://a"}}, "'endpoints' must name only the types"),
    "an endpoint that is no URL": ({"endpoints": {"S3": MARK}}, "'endpoints.S3' must be a URL"),
    "a file of nobody": (
        {"journal_path": f"~{MARK}/x"}, "'journal_path' starts with the home of an unknown user"),
    "since that is no time": (
        {"deliver_to": "research", "deliver_since": MARK}, "'deliver_since' must be 'all', or"),
    "a file without a name": (
        {"outcomes_path": f"{MARK}\0"}, "'outcomes_path' must be the path of a file"),
    "a folder for a file": ({"summary_path": "/"}, "'summary_path' must be a file, but is"),
    "continue without a file": (
        {"on_error": "continue", "rejected_path": None}, "'rejected_path' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_told_before_any_request(place: Workplace, case: str) -> None:
    settings, why = BAD[case]
    ran = place.run(**settings)
    assert isinstance(ran.error, ConfigValidationError)
    told = "\n".join(ran.error.errors)
    assert why in told
    assert MARK not in told
    assert "a-secret" not in told
    assert place.sandbox.requests == []


def test_the_command_tells_each_in_a_line(place: Workplace) -> None:
    ran = place.command(settle_seconds=NAN, **declared(secret_access_key="env:NO_SUCH_VARIABLE"))
    assert ran.status == 2
    assert "Traceback" not in ran.log
    assert "a finite number" in ran.log
    assert "NO_SUCH_VARIABLE is not set" in ran.log
    assert place.sandbox.requests == []
