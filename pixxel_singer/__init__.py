"""Singer plumbing that the plugins share: settings, one-line errors, redaction, signals, output."""

from importlib.metadata import version

DISTRIBUTION = "pixxel-singer"


def distribution_version() -> str:
    """Give the installed version of the distribution that all plugins come in."""
    return version(DISTRIBUTION)
