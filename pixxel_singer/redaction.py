"""Redaction: no secret leaves through a log handler, tracebacks included."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "[redacted]"
_MIN_SECRET_LENGTH = 4  # a shorter text is no secret, and hiding it would garble every line


class Redactor:
    """Hides the secrets it was told of, in the forms they take in URLs, JSON and Python."""

    def __init__(self) -> None:
        self._forms: list[str] = []

    def add(self, secrets: Iterable[object]) -> None:
        """Hide these texts from now on."""
        forms = set(self._forms)
        for secret in secrets:
            if not isinstance(secret, str):
                continue
            # A token may be pasted with its scheme, and is used without.
            for text in (secret, secret.strip(), secret.strip().removeprefix("Bearer ").strip()):
                if len(text) >= _MIN_SECRET_LENGTH:
                    forms |= _encoded_forms(text)
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Give the text without the secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


class RedactingFormatter(logging.Formatter):
    """A formatter around another one, whose result it redacts."""

    def __init__(self, inner: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self.inner = inner
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Format and redact."""
        return self._redact(self.inner.format(record))


def redact_logs(redact: Redactor) -> None:
    """Wrap the formatter of every handler there is (a filter would miss child loggers)."""
    known = getattr(logging, "_handlerList")  # noqa: B009 - the stubs leave it out
    for handler in [*(ref() for ref in known), logging.lastResort]:
        if handler is not None and not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redact))


def find_secrets(schema: Mapping[str, object], values: Mapping[str, object]) -> list[object]:
    """Pick the values of the settings that a settings schema marks as secret."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return [
        values[name] for name, rule in properties.items() if rule.get("secret") and name in values
    ]


def _encoded_forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    }
