"""Forms that a secret takes on its way into a log."""

from __future__ import annotations

from urllib.parse import quote_plus

from pixxel_singer.redaction import MASK, Redactor
from tests.pixxel_singer.test_redaction import SECRET


def test_the_form_of_a_web_forms_query_is_hidden() -> None:
    redact = Redactor()
    redact.add([SECRET])
    assert redact(f"?token={quote_plus(SECRET)}&x=1") == f"?token={MASK}&x=1"


def test_a_secret_pasted_with_blanks_is_hidden_without_them_too() -> None:
    redact = Redactor()
    redact.add(["  s3cret-token\n"])
    assert redact("Bearer s3cret-token.") == f"Bearer {MASK}."


def test_secrets_told_later_do_not_uncover_those_before() -> None:
    redact = Redactor()
    redact.add(["first-secret"])
    redact.add(["second-secret"])
    assert redact("first-secret second-secret") == f"{MASK} {MASK}"


def test_the_form_of_a_traceback_is_hidden() -> None:
    """Python writes a text of both quotes and a backslash otherwise than it is."""
    secret = "p'x\"y\\z-token"
    redact = Redactor()
    redact.add([secret])
    assert redact(f"ValueError: {secret!r}") == f"ValueError: '{MASK}'"
