"""Secrets are masked in logs, for every encoding, logger and level."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
from singer_sdk.logging import StructuredFormatter

from pixxel_singer.redaction import MASK, Redactor, find_secrets, redact_logs

SECRET = 'p"x/ä token+1=='


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        repr(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        f"Bearer {SECRET}",
    ],
)
def test_encoded_form_is_masked(form: str) -> None:
    redact = Redactor()
    redact.add([SECRET])
    assert redact(f"before {form} after").startswith("before ")
    assert form not in redact(f"before {form} after")
    assert MASK in redact(form)


def test_secret_within_longer_secret_masks_whole() -> None:
    redact = Redactor()
    redact.add(["abcd", "abcd-efgh"])
    assert redact("abcd-efgh") == MASK


def test_short_text_is_not_masked() -> None:
    redact = Redactor()
    redact.add(["a", None, 7])
    assert redact("a day") == "a day"


@pytest.mark.parametrize(
    "formatter", [None, logging.Formatter("%(message)s"), StructuredFormatter()]
)
@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_redact_logs_masks_arguments_and_tracebacks(
    formatter: logging.Formatter | None, level: int
) -> None:
    redact = Redactor()
    redact.add([SECRET])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("tests.redaction.child")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        redact_logs(redact)
        redact_logs(redact)
        logger.log(level, "token %s", SECRET)
        try:
            int(SECRET)
        except ValueError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert "token" in text
    assert MASK in text
    assert "ValueError" in text
    for form in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)):
        assert form not in text


def test_find_secrets_returns_values_marked_in_schema() -> None:
    schema = {"properties": {"a": {"secret": True}, "b": {}, "c": {"secret": True}}}
    assert find_secrets(schema, {"a": "x", "b": "y"}) == ["x"]
