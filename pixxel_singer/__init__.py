"""Singer code that the plugins share: settings, one-line errors, redaction, signals, output."""

from __future__ import annotations

from importlib.metadata import version

DISTRIBUTION = "pixxel-singer"


def distribution_version() -> str:
    """Return the installed version of the distribution that contains all plugins."""
    return version(DISTRIBUTION)
