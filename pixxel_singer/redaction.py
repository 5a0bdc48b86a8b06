"""Redaction of secrets in everything that log handlers write, including tracebacks.

Control characters are escaped there too, as texts of the API could else command a terminal.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from copy import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "[redacted]"
_MIN_SECRET_LENGTH = 4  # a shorter text is not a secret, and would occur in every line

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of text
    r"\u2028\u2029\ud800-\udfff]"  # line separators, and what UTF-8 cannot encode
)


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Write control characters as escapes, such as `\x1b`, so that a terminal shows them.

    Args:
        text: Any text.
        keep: Control characters that stay.
    """
    return _CONTROL.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(),
        text,
    )


class Redactor:
    """Masks registered secrets, also in the encoded forms of URLs, JSON and Python."""

    def __init__(self) -> None:
        self._forms: list[str] = []

    def add(self, secrets: Iterable[object]) -> None:
        """Mask these texts from now on; values that are not strings are ignored."""
        forms = set(self._forms)
        for secret in secrets:
            if not isinstance(secret, str):
                continue
            # A token may be pasted with the scheme Bearer, but is used without it.
            for text in (secret, secret.strip(), secret.strip().removeprefix("Bearer ").strip()):
                if len(text) >= _MIN_SECRET_LENGTH:
                    forms |= _encoded_forms(text)
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with its secrets masked."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


class RedactingFormatter(logging.Formatter):
    """Formatter that redacts the result of another formatter, and escapes control characters."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self.inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, and redact the result.

        The message is escaped before, as a reader of JSON lines would decode it. A traceback
        keeps its lines.
        """
        message = record.getMessage()
        if _CONTROL.search(message):
            record = copy(record)
            record.msg, record.args = escape_controls(self._redactor(message)), ()
        return escape_controls(self._redactor(self.inner.format(record)), keep="\n\t")


def redact_logs(redactor: Redactor) -> None:
    """Redact the output of every existing handler (a filter would miss child loggers)."""
    handlers = getattr(logging, "_handlerList")  # noqa: B009 - missing in the stubs
    for handler in [*(ref() for ref in handlers), logging.lastResort]:
        if handler is not None and not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redactor))


def find_secrets(schema: Mapping[str, object], values: Mapping[str, object]) -> list[object]:
    """Return the values of the settings that the schema marks as secret."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return [
        values[name] for name, rule in properties.items() if rule.get("secret") and name in values
    ]


def select_public(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the schema has and does not mark as secret, unless they are null."""
    rules = schema["properties"]
    return {
        name: value
        for name, value in values.items()
        if value is not None and name in rules and not rules[name].get("secret")
    }


def _encoded_forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    }
