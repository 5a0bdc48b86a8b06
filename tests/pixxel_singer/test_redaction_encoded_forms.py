"""Encoded forms of a secret in logs."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest

from pixxel_singer.redaction import MASK, Redactor
from tests.pixxel_singer.test_redaction import SECRET


def test_form_encoded_secret_is_masked() -> None:
    redact = Redactor()
    redact.add([SECRET])
    assert redact(f"?token={quote_plus(SECRET)}&x=1") == f"?token={MASK}&x=1"


def test_secrets_added_later_keep_earlier_ones_masked() -> None:
    redact = Redactor()
    redact.add(["first-secret"])
    redact.add(["second-secret"])
    assert redact("first-secret second-secret") == f"{MASK} {MASK}"


def test_repr_of_secret_in_traceback_is_masked() -> None:
    """repr() escapes a text with both kinds of quotes and a backslash."""
    secret = "p'x\"y\\z-token"
    redact = Redactor()
    redact.add([secret])
    assert redact(f"ValueError: {secret!r}") == f"ValueError: '{MASK}'"


@pytest.mark.parametrize("pasted", ["  s3cret-token\n", " Bearer  s3cret-token\n"])
def test_secret_pasted_with_spaces_or_scheme_is_masked_without_them(pasted: str) -> None:
    redact = Redactor()
    redact.add([pasted])
    assert redact("Bearer s3cret-token.") == f"Bearer {MASK}."
